// Package network serves guests on a network that libvirt itself runs, such as its
// stock "default": it keeps their entries in libvirt's definition of the network,
// running and stored, and touches no other entries.
//
// libvirt's definition determines the network; View returns it. The server's
// database notes which entries are mdserver's before libvirt gets them, so that a
// crash leaves no unknown entries behind.
package network

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/dhcprelease"
	"mdserver/internal/hostaddr"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/network/entries"
	"mdserver/internal/pace"
)

const (
	// period is how often the network is checked: another program may have
	// stopped, started or edited it.
	period = 5 * time.Second
	// callTime bounds one exchange with libvirt.
	callTime = 5 * time.Second
	// fresh is how old a view may be that a registration relies on.
	fresh = 100 * time.Millisecond
	// Guests start and the configuration is reloaded while libvirt hangs, or while
	// libvirtd waits for the hook of a guest that it starts. So nothing waits long
	// for libvirt: a registration refreshTime for a newer view and applyTime for its
	// entry, a start of the server startTime, and all of them hungTime only if
	// libvirt did not answer the last time.
	refreshTime = 300 * time.Millisecond
	applyTime   = 2 * time.Second
	startTime   = time.Second
	hungTime    = 300 * time.Millisecond
	// retryTime is the pause after a call that failed, and deniedTime that after a
	// connection that this process may not make: libvirtd logs each, and asks polkit.
	retryTime  = time.Second
	deniedTime = time.Minute
)

// Notes keep a text by its key where it survives the process. storage.Store
// says what its methods do.
type Notes interface {
	Note(ctx context.Context, key string) (string, error)
	SetNote(ctx context.Context, key, text string) error
}

// Settings say which network it is and how guests are named on it.
type Settings struct {
	Name       string
	HostID     string // of this host among several with one inventory, or empty
	Endpoint   connection.Endpoint
	Prefix     string   // of the guests' names
	EntryOrder []string // base, prefix, domain or fqdn
}

// View is the network as libvirt described it last. The zero View is that of a
// network that libvirt does not have, or has never described.
type View struct {
	Active  bool
	Bridge  string
	Domain  string
	IPv4    netip.Prefix
	Gateway netip.Addr
	DNS     bool // libvirt serves DNS
	MTU     int  // that libvirt tells guests of; 0: not set
	Leases  int  // how many leases libvirt grants at a time; 0 for any number
	// Leased are addresses that are given out, or have an entry that is not
	// mdserver's.
	Leased map[netip.Addr]instance.MAC
}

// Status is how a Service and its network are.
type Status = api.LibvirtNetwork

// Service serves one network. Make it with New.
type Service struct {
	notes   Notes
	log     *slog.Logger
	changed chan<- struct{}
	stop    context.CancelFunc // ends run; nil before Start
	running sync.WaitGroup

	// talk is held while libvirt is spoken with.
	talk     turn
	conn     *connection.Conn
	endpoint connection.Endpoint // of conn
	ours     []entries.Entry
	asked    time.Time
	problems []string
	dns      nameCheck
	release  func(ctx context.Context, server netip.Addr, mac instance.MAC, addr netip.Addr) error // ends a lease

	// state guards the fields below. It is never held while libvirt is spoken with.
	state    sync.Mutex
	settings Settings
	guests   map[uuid.UUID]instance.Instance
	view     View
	st       Status
	// unanswered is set while calls of libvirt fail.
	unanswered bool
}

// New makes a Service that does nothing until Start. After each change of the
// view a value is sent to changed, unless its buffer is full.
func New(settings Settings, notes Notes, changed chan<- struct{}, log *slog.Logger) *Service {
	return &Service{settings: settings, notes: notes, changed: changed, log: log,
		talk: make(turn, 1), guests: map[uuid.UUID]instance.Instance{},
		dns: nameCheck{local: hostaddr.Has, ask: ask}, release: dhcprelease.Send}
}

// Start makes the network hold the entries of all guests, and keeps it so until
// Close. If libvirt does not answer at once, the network is what it was when
// libvirt last told, and libvirt is asked again.
func (s *Service) Start(ctx context.Context, all []instance.Instance) error {
	if err := s.recall(ctx); err != nil {
		return err
	}
	s.setGuests(all)
	if err := s.change(ctx, startTime); err != nil {
		s.log.Warn("libvirt's network does not serve the guests yet", "error", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.running.Go(func() { s.run(running) })
	return nil
}

// recall reads the notes: which entries are mdserver's, and the network as libvirt
// reported it last.
func (s *Service) recall(ctx context.Context) error {
	for key, value := range map[string]any{s.noteKey(): &s.ours, s.viewKey(): &s.view} {
		text, err := s.notes.Note(ctx, key)
		if err == nil && text != "" {
			err = json.Unmarshal([]byte(text), value)
		}
		if err != nil {
			return fmt.Errorf("reading the note %s: %w", key, err)
		}
	}
	if !reflect.DeepEqual(s.view, View{}) {
		s.tell()
	}
	return nil
}

// Apply makes a batch of changes known to libvirt. They are live when it returns
// without an error; after an error they follow when libvirt answers.
func (s *Service) Apply(ctx context.Context, events []instance.Event) error {
	before := s.wanted()
	s.state.Lock()
	for _, event := range events {
		if event.Old != nil {
			delete(s.guests, event.Old.UUID)
		}
		if event.New != nil {
			s.guests[event.New.UUID] = *event.New
		}
	}
	s.state.Unlock()
	if slices.EqualFunc(before, s.wanted(), entries.Entry.Equal) {
		return nil
	}
	return s.change(ctx, applyTime)
}

// Reconfigure applies other settings, and publishes all guests again.
func (s *Service) Reconfigure(ctx context.Context, settings Settings, all []instance.Instance) error {
	s.state.Lock()
	s.settings = settings
	s.state.Unlock()
	s.setGuests(all)
	return s.change(ctx, applyTime)
}

// Retire takes all of mdserver's entries out of the network, which it serves no
// longer.
func (s *Service) Retire(ctx context.Context) error {
	s.setGuests(nil)
	return s.bring(ctx, callTime)
}

// change updates libvirt for a caller that waits.
func (s *Service) change(ctx context.Context, limit time.Duration) error {
	if s.silent() {
		limit = hungTime
	}
	return s.bring(ctx, limit)
}

// bring has libvirt take what is wanted, within a time.
func (s *Service) bring(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.talk.take(ctx); err != nil {
		return err
	}
	defer s.talk.give()
	return s.converge(ctx)
}

// Refresh brings the view up to date for a registration that is about to choose
// an address. It does not wait long, and not at all while libvirt is being
// spoken with: the view is about to be fresh then, or libvirt hangs. It reports
// whether the view is another one now.
func (s *Service) Refresh(ctx context.Context) (changed bool) {
	if !s.talk.tryTake() {
		return false
	}
	defer s.talk.give()
	if s.conn == nil || time.Since(s.asked) < fresh {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	before := s.View()
	if _, err := s.read(ctx); err != nil {
		s.log.Warn("cannot read libvirt's leases", "error", err)
	}
	return !reflect.DeepEqual(before, s.View())
}

// View is the network as it was seen last.
func (s *Service) View() View {
	s.state.Lock()
	defer s.state.Unlock()
	return s.view
}

// Status tells the present state. It never waits for libvirt.
func (s *Service) Status() Status {
	s.state.Lock()
	defer s.state.Unlock()
	return s.st
}

// Close stops. The guests' entries stay, for the guests are still there.
func (s *Service) Close() error {
	if s.stop != nil {
		s.stop()
	}
	s.running.Wait()
	_ = s.talk.take(context.Background())
	defer s.talk.give()
	s.disconnect()
	return nil
}

// run looks at the network from time to time until ctx ends.
func (s *Service) run(ctx context.Context) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		if !s.silent() { // else libvirt is asked again at once
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
		err := s.bring(ctx, callTime)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Debug("libvirt's network could not be brought up to date", "error", err)
			pace.Sleep(ctx, pauseAfter(err))
		}
	}
}

// pauseAfter is how long libvirt is not asked again after an error.
func pauseAfter(err error) time.Duration {
	if connection.IsDenied(err) {
		return deniedTime
	}
	return retryTime
}

func (s *Service) setGuests(all []instance.Instance) {
	guests := make(map[uuid.UUID]instance.Instance, len(all))
	for _, guest := range all {
		guests[guest.UUID] = guest
	}
	s.state.Lock()
	defer s.state.Unlock()
	s.guests = guests
}

// silent reports whether libvirt did not answer the last time.
func (s *Service) silent() bool {
	s.state.Lock()
	defer s.state.Unlock()
	return s.unanswered
}

// set returns the present settings.
func (s *Service) set() Settings {
	s.state.Lock()
	defer s.state.Unlock()
	return s.settings
}

// read asks libvirt for the network and publishes the view.
func (s *Service) read(ctx context.Context) (state, error) {
	if err := s.connect(ctx); err != nil {
		return state{}, err
	}
	now, err := s.client().read(ctx)
	if err != nil {
		return state{}, err
	}
	s.asked = time.Now()
	s.publish(ctx, s.viewOf(now))
	return now, nil
}

func (s *Service) client() client { return client{s.conn, s.set().Name} }

// connect dials, unless the connection of before still stands.
func (s *Service) connect(ctx context.Context) error {
	endpoint := s.set().Endpoint
	if s.conn != nil {
		select {
		case <-s.conn.Done():
			s.disconnect()
		default:
			if endpoint == s.endpoint {
				return nil
			}
			s.disconnect()
		}
	}
	conn, err := connection.Dial(ctx, endpoint, connection.Network)
	if err != nil {
		return err
	}
	s.conn, s.endpoint = conn, endpoint
	return nil
}

func (s *Service) disconnect() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// viewOf leaves mdserver's own entries out of what is leased.
func (s *Service) viewOf(now state) View {
	d := now.current()
	v := View{Active: now.active, Bridge: d.Bridge, Domain: d.Domain, IPv4: d.IPv4.Masked(), Gateway: d.Gateway, DNS: d.ServeDNS, MTU: d.MTU, Leases: d.Leases,
		Leased: map[netip.Addr]instance.MAC{}}
	maps.Copy(v.Leased, now.leases)
	for _, host := range d.Hosts {
		own := slices.ContainsFunc(s.ours, func(e entries.Entry) bool { return e.MAC == host.MAC && e.IP == host.IP })
		if !own && host.IP.IsValid() {
			v.Leased[host.IP] = host.MAC
		}
	}
	return v
}

func (s *Service) publish(ctx context.Context, v View) {
	s.state.Lock()
	same := reflect.DeepEqual(s.view, v)
	s.view = v
	s.state.Unlock()
	if same {
		return
	}
	// The same view is not published again, so it is noted even if ctx ends now.
	if err := s.noteView(context.WithoutCancel(ctx), v); err != nil {
		s.log.Warn("libvirt's network was not stored; at the next start, it is unknown until libvirt answers", "error", err)
	}
	s.tell()
}

// tell sends word of another view. A value that still waits in the channel says
// the same.
func (s *Service) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
