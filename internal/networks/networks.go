// Package networks serves the guests of each network by DHCP and DNS. Each
// network has a backend: a dnsmasq of its own, or a network that libvirt runs.
// The package carries the changes of the inventory to them in order, and lets
// others wait until a change is live.
package networks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/libvirt/network"
	"mdserver/internal/pace"
)

// catchUpPeriod is how often the backends catch up.
const catchUpPeriod = 2 * time.Second

// backend gives the guests of one network their addresses and names. Start,
// Apply, Reconfigure, CatchUp, Retire and Close are called one at a time; the other
// methods may be called at any time, and do not wait for them.
type backend interface {
	// Start makes all guests known, and serves them until Close.
	Start(ctx context.Context, all []instance.Instance) error
	// Apply makes a batch of changes known. They are live when it returns
	// without an error; otherwise they follow later.
	Apply(ctx context.Context, events []instance.Event) error
	// reconfigure goes over to another configuration, with all guests.
	reconfigure(ctx context.Context, cfg *config.Config, n config.Network, all []instance.Instance) error
	// CatchUp tries again what failed, and repairs what others have changed.
	CatchUp(ctx context.Context)
	// retire withdraws all guests and closes: the network is not served any more.
	retire(ctx context.Context) error
	// Close stops. The guests stay known to a server that others run.
	Close() error

	// refresh looks whether the network is still what it was, for a registration
	// that is about to choose addresses. It reports whether it is another now.
	refresh(ctx context.Context) (changed bool)
	// describe puts in what the backend knows of its network and the configuration
	// does not say.
	describe(n *instance.Network)
	status() Status
}

// member is one network and its backend.
type member struct {
	config.Network
	backend
}

// serves reports whether a member's backend can go on with a network of another
// configuration.
func (m member) serves(n config.Network) bool { return m.Name == n.Name && m.Backend == n.Backend }

// OnDHCPMessage is called with what a DHCP client and the server of a network said to
// each other. It must not wait.
type OnDHCPMessage func(network string, mac instance.MAC, message string)

// Networks are all networks that are served. Its methods may be called from any
// goroutine.
type Networks struct {
	inventory *inventory.Inventory
	notes     network.Notes
	heard     OnDHCPMessage
	log       *slog.Logger
	make      func(*config.Config, config.Network) member
	changed   chan struct{}
	progress  *progress

	// turn is held while backends are being told something.
	turn sync.Mutex

	mu      sync.Mutex // guards members, for those who only look
	members []member

	feed    *inventory.Subscription
	stop    context.CancelFunc // ends the goroutines; nil before Start
	running sync.WaitGroup
}

// New makes the backends of a configuration's networks. None of them does
// anything before Start. Notes keep what is known of libvirt's networks.
func New(cfg *config.Config, inv *inventory.Inventory, notes network.Notes, heard OnDHCPMessage, log *slog.Logger) *Networks {
	s := &Networks{inventory: inv, notes: notes, heard: heard, log: log,
		changed: make(chan struct{}, 1), progress: newProgress()}
	s.make = s.newMember
	for _, n := range cfg.Networks {
		s.members = append(s.members, s.make(cfg, n))
	}
	return s
}

func (s *Networks) newMember(cfg *config.Config, n config.Network) member {
	log := s.log.With("part", n.Backend, "network", n.Name)
	if n.Backend == config.BackendLibvirt {
		return member{n, newLibvirt(cfg, n, s.inventory.HostID(), s.notes, s.changed, log)}
	}
	heard := func(mac instance.MAC, message string) { s.heard(n.Name, mac, message) }
	return member{n, newDnsmasq(cfg, n, s.inventory.HostID(), heard, s.isGuest, log)}
}

func (s *Networks) isGuest(mac instance.MAC) bool {
	return len(s.inventory.Snapshot().ByMAC(mac)) > 0
}

// Start hands the whole inventory to the backends, and then follows its changes
// until ctx ends or Close is called. The error lists networks that are not served
// yet; they are tried again.
func (s *Networks) Start(ctx context.Context) error {
	s.feed = s.inventory.Subscribe()
	start := s.feed.Start()
	all := guests(start)
	err := each(s.list(), func(m member) error { return m.Start(ctx, all) })
	s.progress.move(start.Revision(), nil)
	ctx, s.stop = context.WithCancel(ctx)
	s.running.Go(func() { s.follow(ctx) })
	s.running.Go(func() { s.catchUp(ctx) })
	return err
}

func guests(snapshot *inventory.Snapshot) []instance.Instance {
	list := make([]instance.Instance, 0, snapshot.Len())
	for guest := range snapshot.All() {
		list = append(list, *guest)
	}
	return list
}

// follow applies the changes of the inventory in their order.
func (s *Networks) follow(ctx context.Context) {
	for {
		events, err := s.feed.Next(ctx)
		if err != nil { // the end of ctx, the feed or the inventory
			return
		}
		err = s.apply(ctx, events)
		if err != nil && ctx.Err() == nil {
			s.log.Error("DHCP and DNS have not applied a change", "error", err)
		}
		s.progress.move(s.feed.Revision(), err)
	}
}

func (s *Networks) apply(ctx context.Context, events []instance.Event) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	return each(s.list(), func(m member) error { return m.Apply(ctx, events) })
}

func (s *Networks) catchUp(ctx context.Context) {
	pace.Every(ctx, catchUpPeriod, func() { s.catchUpOnce(ctx) })
}

func (s *Networks) catchUpOnce(ctx context.Context) {
	s.turn.Lock()
	defer s.turn.Unlock()
	_ = each(s.list(), func(m member) error {
		m.CatchUp(ctx)
		return nil
	})
}

// Sync returns when all that the inventory holds at the time of the call is live
// in DHCP and DNS, or with the reason why it is not.
func (s *Networks) Sync(ctx context.Context) error {
	return s.progress.wait(ctx, s.inventory.Snapshot().Revision())
}

// Reconfigure goes over to the networks of another configuration, with the whole
// inventory. Those that are gone are retired first, since others may take their
// bridge or addresses. Changes that are on their way are applied twice then,
// which does no harm.
func (s *Networks) Reconfigure(ctx context.Context, cfg *config.Config) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	all := guests(s.inventory.Snapshot())
	var next, fresh, kept []member
	gone := slices.Clone(s.list())
	for _, n := range cfg.Networks {
		i := slices.IndexFunc(gone, func(m member) bool { return m.serves(n) })
		if i < 0 {
			m := s.make(cfg, n)
			fresh, next = append(fresh, m), append(next, m)
			continue
		}
		m := member{n, gone[i].backend}
		kept, next = append(kept, m), append(next, m)
		gone = slices.Delete(gone, i, i+1)
	}
	errGone := each(gone, func(m member) error { return m.retire(ctx) })
	s.set(next)
	errKept := each(kept, func(m member) error { return m.reconfigure(ctx, cfg, m.Network, all) })
	errFresh := each(fresh, func(m member) error { return m.Start(ctx, all) })
	return errors.Join(errGone, errKept, errFresh)
}

// Close stops following the inventory, and closes all backends.
func (s *Networks) Close() error {
	if s.stop != nil {
		s.feed.Close()
		s.stop()
		s.running.Wait()
	}
	return each(s.list(), func(m member) error { return m.Close() })
}

// each lets all members work at the same time, and waits for them.
func each(members []member, work func(member) error) error {
	errs := make([]error, len(members))
	var working sync.WaitGroup
	for i, m := range members {
		working.Go(func() {
			if err := work(m); err != nil {
				errs[i] = fmt.Errorf("network %s: %w", m.Name, err)
			}
		})
	}
	working.Wait()
	return errors.Join(errs...)
}

func (s *Networks) list() []member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members
}

func (s *Networks) set(members []member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = members
}
