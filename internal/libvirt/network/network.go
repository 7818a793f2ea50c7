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
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	libvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/dhcprelease"
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
	// Leased are addresses that are given out, or have an entry that is not
	// mdserver's.
	Leased map[netip.Addr]instance.MAC
}

// Status tells how it fares, for people.
type Status struct {
	Connected bool   `json:"connected"`
	Active    bool   `json:"active"`  // libvirt runs the network
	Entries   int    `json:"entries"` // of guests
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
// an address. It does not wait long.
func (s *Service) Refresh(ctx context.Context) {
	s.mu.Lock()
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

// converge makes the network's definitions hold the guests' entries, and no
// others of mdserver's.
func (s *Service) converge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := s.convergeOnce(ctx)
	s.report(err)
	return err
}

func (s *Service) convergeOnce(ctx context.Context) error {
	now, err := s.read(ctx)
	if err != nil {
		return err
	}
	wanted, before := s.wanted(), s.ours
	kept := mine(wanted, before, now.config, now.live)
	if err := s.remember(union(before, kept)); err != nil {
		return err
	}
	var problems []string
	for _, side := range []struct {
		exists bool
		is     definition
		flag   libvirt.NetworkUpdateFlags
	}{
		{now.persistent, now.config, libvirt.NetworkUpdateAffectConfig},
		{now.active, now.live, libvirt.NetworkUpdateAffectLive},
	} {
		if !side.exists {
			continue
		}
		p := makePlan(side.is, wanted, before)
		if err := s.client().update(ctx, now, p.steps, side.flag); err != nil {
			return err
		}
		problems = append(problems, p.problems...)
	}
	s.complain(problems)
	s.forgetLeases(ctx, now, before, wanted)
	return s.remember(kept)
}

// forgetLeases ends leases that contradict the entries: those of guests that
// are gone, and those that a guest got before it had an entry.
func (s *Service) forgetLeases(ctx context.Context, now state, before, wanted []entry) {
	for addr, mac := range now.leases {
		stale := slices.ContainsFunc(before, func(e entry) bool { return e.MAC == mac && e.IP == addr }) ||
			slices.ContainsFunc(wanted, func(e entry) bool { return e.MAC == mac })
		if !stale || slices.ContainsFunc(wanted, func(e entry) bool { return e.MAC == mac && e.IP == addr }) {
			continue
		}
		if err := dhcprelease.Send(ctx, now.live.Gateway, mac, addr); err != nil {
			s.log.Warn("a lease of libvirt's network outlives its guest", "mac", mac, "address", addr, "error", err)
		}
	}
}

// complain says once what cannot be.
func (s *Service) complain(problems []string) {
	slices.Sort(problems)
	problems = slices.Compact(problems)
	for _, problem := range problems {
		if !slices.Contains(s.problems, problem) {
			s.log.Warn("libvirt's network contradicts a guest", "problem", problem)
		}
	}
	s.problems = problems
}

// wanted are the guests' entries, in a stable order.
func (s *Service) wanted() []entry {
	var list []entry
	domain := s.View().Domain
	for _, guest := range s.guests {
		place, ok := guest.On(s.settings.Name)
		if !ok || !place.IPv4.IsValid() {
			continue
		}
		list = append(list, entry{
			MAC: place.MAC, IP: place.IPv4, Name: label(guest.Hostname),
			Names: instance.HostNames(guest.Hostname, s.settings.Prefix, domain, s.settings.EntryOrder),
		})
	}
	slices.SortFunc(list, func(a, b entry) int { return a.IP.Compare(b.IP) })
	return list
}

// viewOf leaves mdserver's own entries out of what is leased.
func (s *Service) viewOf(now state) View {
	d := now.current()
	v := View{Active: now.active, Bridge: d.Bridge, Domain: d.Domain, IPv4: d.IPv4.Masked(), Gateway: d.Gateway, DNS: d.ServeDNS,
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

func (s *Service) report(err error) {
	if err == nil && len(s.problems) > 0 {
		err = errors.New(s.problems[0])
	}
	s.state.Lock()
	defer s.state.Unlock()
	s.st = Status{Connected: s.conn != nil, Active: s.view.Active, Entries: len(s.ours)}
	switch {
	case err != nil:
		s.st.LastError = err.Error()
	case !s.view.Active:
		s.st.LastError = "libvirt does not run the network; `virsh net-start " + s.settings.Name + "` starts it"
	}
}

func (s *Service) noteKey() string { return "libvirt_network/" + s.settings.Name }

// remember notes which entries may be mdserver's.
func (s *Service) remember(entries []entry) error {
	if slices.EqualFunc(s.ours, entries, entry.equal) {
		return nil
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return fmt.Errorf("noting the network's entries: %w", err)
	}
	if err := s.notes.SetMeta(s.noteKey(), string(text)); err != nil {
		return fmt.Errorf("noting the network's entries: %w", err)
	}
	s.ours = entries
	return nil
}
