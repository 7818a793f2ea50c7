// Package network serves guests on a network that libvirt itself runs, such as
// its stock "default": it keeps their entries in libvirt's definition of the
// network, running and stored, and touches nobody else's.
//
// libvirt's definition says what the network is; View tells. Which entries are
// mdserver's is kept in its own database, written before libvirt is told: after
// a crash nothing is left behind that is not known.
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

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
)

const (
	// period is how often the network is looked at: it may have been stopped,
	// started or edited by somebody else.
	period = 5 * time.Second
	// callTime bounds one exchange with libvirt.
	callTime = 5 * time.Second
	// fresh is how old a view may be that a registration relies on, and
	// refreshTime how long it waits for a better one.
	fresh       = 100 * time.Millisecond
	refreshTime = time.Second
)

// Notes keep a text by its key where it survives the process.
type Notes interface {
	Meta(key string) (string, error)
	SetMeta(key, value string) error
}

// Settings say which network it is and how guests are named on it.
type Settings struct {
	Name       string
	Endpoint   connection.Endpoint
	Prefix     string   // of the guests' names
	EntryOrder []string // base, prefix, domain or fqdn
}

// View is the network as libvirt tells of it. The zero View is that of a
// network which libvirt does not have, or of a libvirt that does not answer.
type View struct {
	Active  bool
	Bridge  string
	Domain  string
	IPv4    netip.Prefix
	Gateway netip.Addr
	DNS     bool // libvirt serves DNS
	Leases  int  // how many leases libvirt grants at a time; 0 for any number
	// Leased are addresses that are given out, or have an entry that is not
	// mdserver's.
	Leased map[netip.Addr]instance.MAC
}

// Status tells how it fares, for people.
type Status struct {
	Connected bool   `json:"connected"`
	Active    bool   `json:"active"`           // libvirt runs the network
	Entries   int    `json:"entries"`          // of guests
	Leases    int    `json:"leases,omitempty"` // how many libvirt grants at a time, if that is limited
	LastError string `json:"last_error,omitempty"`
}

// Service serves one network. Make it with New.
type Service struct {
	notes   Notes
	log     *slog.Logger
	changed func(View)
	cancel  context.CancelFunc
	ctx     context.Context // ends with Close
	running sync.WaitGroup

	// mu is held while libvirt is spoken with.
	mu       sync.Mutex
	settings Settings
	conn     *connection.Conn
	guests   map[uuid.UUID]instance.Instance
	ours     []entry
	asked    time.Time
	problems []string

	state sync.Mutex // guards what follows, so that nobody waits for libvirt to see it
	view  View
	st    Status
}

// New makes a Service that does nothing until Start. changed is called with each
// new view of the network; it must not call the Service.
func New(settings Settings, notes Notes, changed func(View), log *slog.Logger) *Service {
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{settings: settings, notes: notes, changed: changed, log: log, ctx: ctx, cancel: cancel,
		guests: map[uuid.UUID]instance.Instance{}}
}

// Start makes the network hold the entries of all guests, and keeps it so until
// Close. A libvirt that does not answer yet is no error: it is asked again.
func (s *Service) Start(ctx context.Context, all []instance.Instance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := s.notes.Meta(s.noteKey())
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &s.ours)
	}
	if err != nil {
		return fmt.Errorf("reading which of the network's entries are mdserver's: %w", err)
	}
	s.setGuests(all)
	if err := s.converge(ctx); err != nil {
		s.log.Warn("libvirt's network does not serve the guests yet", "error", err)
	}
	s.running.Go(s.run)
	return nil
}

// Apply makes a batch of changes known to libvirt. They are live when it returns
// without an error; after an error they follow when libvirt answers again.
func (s *Service) Apply(ctx context.Context, events []instance.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.wanted()
	for _, event := range events {
		if event.Old != nil {
			delete(s.guests, event.Old.UUID)
		}
		if event.New != nil {
			s.guests[event.New.UUID] = *event.New
		}
	}
	if slices.EqualFunc(before, s.wanted(), entry.equal) {
		return nil
	}
	return s.converge(ctx)
}

// Reconfigure takes over other settings and all guests anew.
func (s *Service) Reconfigure(ctx context.Context, settings Settings, all []instance.Instance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if settings.Endpoint != s.settings.Endpoint {
		s.disconnect()
	}
	s.settings = settings
	s.setGuests(all)
	return s.converge(ctx)
}

// Retire takes all of mdserver's entries out of the network, which it serves no
// longer.
func (s *Service) Retire(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setGuests(nil)
	return s.converge(ctx)
}

// Refresh brings the view up to date for a registration that is about to choose
// an address. It does not wait long, and not at all while libvirt is being
// spoken with: the view is about to be fresh then, or libvirt hangs.
func (s *Service) Refresh(ctx context.Context) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if s.conn == nil || time.Since(s.asked) < fresh {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	if _, err := s.read(ctx); err != nil {
		s.log.Warn("libvirt does not tell of its leases", "error", err)
	}
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
	s.cancel()
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
	return nil
}

// run looks at the network from time to time, and at once when libvirt went.
func (s *Service) run() {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		err := s.converge(s.ctx)
		s.mu.Unlock()
		if err != nil && s.ctx.Err() == nil {
			s.log.Debug("libvirt's network is not as it should be", "error", err)
		}
	}
}

func (s *Service) setGuests(all []instance.Instance) {
	s.guests = make(map[uuid.UUID]instance.Instance, len(all))
	for _, guest := range all {
		s.guests[guest.UUID] = guest
	}
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
	s.publish(s.viewOf(now))
	return now, nil
}

func (s *Service) client() client { return client{s.conn, s.settings.Name} }

// connect dials, unless the connection of before still stands.
func (s *Service) connect(ctx context.Context) error {
	if s.conn != nil {
		select {
		case <-s.conn.Done():
			s.disconnect()
		default:
			return nil
		}
	}
	conn, err := connection.Dial(ctx, s.settings.Endpoint, connection.Network)
	if err != nil {
		return err
	}
	s.conn = conn
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
	v := View{Active: now.active, Bridge: d.Bridge, Domain: d.Domain, IPv4: d.IPv4.Masked(), Gateway: d.Gateway, DNS: d.ServeDNS, Leases: d.Leases,
		Leased: map[netip.Addr]instance.MAC{}}
	maps.Copy(v.Leased, now.leases)
	for _, host := range d.Hosts {
		own := slices.ContainsFunc(s.ours, func(e entry) bool { return e.MAC == host.MAC && e.IP == host.IP })
		if !own && host.IP.IsValid() {
			v.Leased[host.IP] = host.MAC
		}
	}
	return v
}

func (s *Service) publish(v View) {
	s.state.Lock()
	same := reflect.DeepEqual(s.view, v)
	s.view = v
	s.state.Unlock()
	if !same {
		s.changed(v)
	}
}
