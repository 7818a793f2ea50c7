package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/fleet"
	"mdserver/internal/hostsfile"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/networks"
)

// failing is a store that refuses changes on request.
type failing struct {
	*storetest.Memory
	fails atomic.Bool // with errStore
}

func (f *failing) Apply(ctx context.Context, changes []instance.Change) error {
	if f.fails.Load() {
		return errStore
	}
	return f.Memory.Apply(ctx, changes)
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// take returns what was logged since the last call.
func (b *logBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.text.String()
	b.text.Reset()
	return text
}

// parts are a server's parts that depend on the networks. They note what they are told.
type parts struct {
	t         *testing.T
	applier   *Applier
	config    *config.Config
	networks  []instance.Network // as the backends describe them
	changed   chan struct{}
	refreshed bool // the next look at the networks finds a change
	inventory *inventorytest.Lab
	store     *failing
	told      []string
	log       logBuffer
}

func (p *parts) Changed() <-chan struct{}                         { return p.changed }
func (p *parts) Refresh(context.Context) bool                     { return p.refreshed }
func (p *parts) Describe(*config.Config) []instance.Network       { return slices.Clone(p.networks) }
func (p *parts) SetPolicy(policy admission.Policy)                { p.tell("admission", policy.Interfaces) }
func (p *parts) answer(_ *config.Config, list []instance.Network) { p.tell("answers", names(list)) }
func (p *parts) tell(part string, what any)                       { p.told = append(p.told, fmt.Sprint(part, " ", what)) }

// addresses and ports have a Set of their own.
type addresses struct{ *parts }

func (a addresses) Set(bridges []string, addrs []netip.Addr) {
	a.tell("addresses", fmt.Sprint(bridges, addrs))
}

type ports struct{ *parts }

func (p ports) Set(list []instance.Network) { p.tell("ports", names(list)) }

func names(list []instance.Network) (names []string) {
	for _, n := range list {
		names = append(names, n.Name)
	}
	return names
}

// newParts are the parts of a server with a configuration, of which nothing was applied
// yet.
func newParts(t *testing.T, text string) *parts {
	t.Helper()
	p := &parts{t: t, changed: make(chan struct{}, 1), store: &failing{Memory: storetest.NewMemory()}}
	p.configure(text)
	p.inventory = inventorytest.On(t, p.store, func(o *inventory.Options) { o.Networks = p.networks })
	log := slog.New(slog.NewTextHandler(&p.log, nil))
	p.applier = New(Parts{
		Config: func() *config.Config { return p.config }, Networks: p, Store: &store.Store{}, Inventory: p.inventory.Inventory,
		HostNames: hostsfile.New("/dev/null", log), Admission: p, Addresses: addresses{p}, Ports: ports{p}, Answer: p.answer, Log: log,
	})
	return p
}

// configure loads a configuration, whose networks are as it says.
func (p *parts) configure(text string) {
	p.t.Helper()
	p.config = load(p.t, text)
	p.config.Server.Database = filepath.Join(p.t.TempDir(), "inventory.db")
	p.networks = networks.Configured(p.config)
}

func (p *parts) apply() {
	p.t.Helper()
	if err := p.applier.Apply(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *parts) mustTell(want ...string) {
	p.t.Helper()
	if !slices.Equal(p.told, want) {
		p.t.Errorf("told\n%s\nwant\n%s", strings.Join(p.told, "\n"), strings.Join(want, "\n"))
	}
	p.told = nil
}

func (p *parts) register(name string) instance.Instance {
	p.t.Helper()
	d := inventorytest.Domain(1, name)
	return p.inventory.MustRegister(d).Instance
}

func (p *parts) guest() *instance.Instance {
	p.t.Helper()
	guest, ok := p.inventory.Snapshot().ByUUID(inventorytest.UID(1))
	if !ok {
		p.t.Fatal("the guest is gone")
	}
	return guest
}

const oneNetwork = "[service]\nhostname = kvm1.example.net\n[network mds]\ninterface = br-mds\nnet_address = 10.122.0.0\n"

var allTold = []string{"admission [br-mds]", "answers [mds]", "addresses [br-mds] [169.254.169.254]", "ports [mds]"}

// All parts are told of the networks, and once of each change.
func TestApply(t *testing.T) {
	p := newParts(t, oneNetwork)
	p.apply()
	p.mustTell(allTold...)
	p.apply()
	p.mustTell()
	if p.applier.applied.places != places(p.networks) {
		t.Error("guests would be given their places again and again")
	}
	same := *p.config
	p.config = &same
	p.apply()
	p.mustTell(allTold...)
	p.networks[0].MTU = 1400
	p.apply()
	p.mustTell(allTold...)
}

// Guests follow the addresses of their network, and no guest keeps a name that is
// reserved now.
func TestApplyChangesGuests(t *testing.T) {
	p := newParts(t, oneNetwork)
	p.apply()
	before := p.register("kvm2")
	p.configure(strings.ReplaceAll(strings.ReplaceAll(oneNetwork, "kvm1", "kvm2"), "10.122.0.0", "10.123.0.0"))
	p.apply()
	after := p.guest()
	if !p.networks[0].Contains(after.IPv4) || after.Hostname == before.Hostname {
		t.Errorf("the guest is at %v as %s, and was at %v as %s", after.IPv4, after.Hostname, before.IPv4, before.Hostname)
	}
	log := p.log.take()
	for _, want := range []string{"level=INFO msg=\"guests were updated after a change of the networks\" guests=1",
		"level=WARN msg=\"a guest's host name was changed, because its previous one is reserved\" guest=kvm2 hostname=" + after.Hostname + " former=kvm2 reason="} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	p.apply()
	if log := p.log.take(); log != "" {
		t.Errorf("the same networks once more:\n%s", log)
	}
}

var errStore = errors.New("no space left on device")

// What guests did not get, they get later, and the other parts are not told twice.
func TestApplyAfterFailure(t *testing.T) {
	for name, next := range map[string]string{
		"another address": strings.ReplaceAll(oneNetwork, "10.122.0.0", "10.123.0.0"),
		"a reserved name": strings.ReplaceAll(oneNetwork, "kvm1", "kvm2"),
	} {
		t.Run(name, func(t *testing.T) {
			p := newParts(t, oneNetwork)
			p.apply()
			before := p.register("kvm2")
			p.configure(next)
			p.told = nil
			p.store.fails.Store(true)
			if err := p.applier.Apply(t.Context()); !errors.Is(err, errStore) {
				t.Errorf("it is %v", err)
			}
			p.mustTell(allTold...)
			p.store.fails.Store(false)
			p.apply()
			p.mustTell()
			if after := p.guest(); after.IPv4 == before.IPv4 && after.Hostname == before.Hostname {
				t.Errorf("the guest is still %s at %v", after.Hostname, after.IPv4)
			}
		})
	}
}

// Other hosts learn of the networks.
func TestApplyTellsTheFleet(t *testing.T) {
	p := newParts(t, oneNetwork)
	f := fleet.New(fleet.Options{ID: "me", Log: slog.New(slog.DiscardHandler)})
	p.applier.parts.Store.Fleet = f
	p.apply()
	select {
	case <-f.Changed():
	default:
		t.Error("the fleet has no networks")
	}
}

// run has networks applied until stop is called, in a bubble of synctest.
func (p *parts) run(ctx context.Context) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	go p.applier.Run(ctx)
	synctest.Wait()
	return stop
}

// Networks are applied when they change, on request, and again after a failure.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParts(t, oneNetwork)
		stop := p.run(t.Context())
		time.Sleep(time.Minute)
		p.mustTell() // nobody has asked
		p.changed <- struct{}{}
		synctest.Wait()
		p.mustTell(allTold...)
		if err := p.applier.Ask(t.Context()); err != nil {
			t.Error(err)
		}
		p.mustTell()

		before := p.register("web")
		p.configure(strings.ReplaceAll(oneNetwork, "10.122.0.0", "10.123.0.0"))
		p.store.fails.Store(true)
		if err := p.applier.Ask(t.Context()); !errors.Is(err, errStore) {
			t.Errorf("it is %v", err)
		}
		time.Sleep(time.Minute)
		if log := p.log.take(); strings.Count(log, "guests were not updated after a change of the networks") != 1 {
			t.Errorf("it is not said once:\n%s", log)
		}
		p.store.fails.Store(false)
		time.Sleep(10 * time.Second)
		if p.guest().IPv4 == before.IPv4 {
			t.Error("the guest is still where it was")
		}
		stop()
		synctest.Wait()
		if err := p.applier.Ask(t.Context()); !errors.Is(err, ErrStopping) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// Who asks does not wait longer than it wants.
func TestAskEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, held := newParts(t, oneNetwork), make(chan struct{})
		p.applier.parts.Answer = func(*config.Config, []instance.Network) { <-held }
		asked := make(chan error)
		for _, what := range []string{"before Run", "while the networks are applied", "behind another one"} {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { asked <- p.applier.Ask(ctx) }()
			synctest.Wait()
			select {
			case err := <-asked:
				t.Fatalf("%s: it is %v at once", what, err)
			default:
			}
			cancel()
			if err := <-asked; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", what, err)
			}
			if what == "before Run" {
				defer p.run(t.Context())()
			}
		}
		close(held)
	})
}

// A registration has the networks applied if one has changed, and goes on if that fails.
func TestRefresh(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changed bool
		fails   bool
		want    []string
		said    bool
	}{
		{"no change", false, false, nil, false},
		{"a change", true, false, allTold, false},
		{"a change that guests do not get", true, true, allTold, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newParts(t, oneNetwork)
				p.register("kvm1") // which no guest may have any more
				defer p.run(t.Context())()
				p.refreshed = tt.changed
				p.store.fails.Store(tt.fails)
				p.applier.Refresh(t.Context())
				p.mustTell(tt.want...)
				log := p.log.take()
				if said := strings.Contains(log, "registering a guest before a change of the networks was applied"); said != tt.said {
					t.Errorf("said %v:\n%s", said, log)
				}
			})
		})
	}
	p := newParts(t, oneNetwork)
	p.refreshed = true
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p.applier.Refresh(over)
	if log := p.log.take(); log != "" {
		t.Errorf("of a registration that is over:\n%s", log)
	}
}

// Guests have other places where a network has another bridge or address, or came or went.
func TestPlaces(t *testing.T) {
	base := instance.Network{Name: "mds", Bridge: "br-mds", IPv4: netip.MustParsePrefix("10.122.0.0/16"), IPv6: netip.MustParsePrefix("fd00::/64")}
	for name, tt := range map[string]struct {
		change func(n *instance.Network)
		others bool
	}{
		"another name":         {func(n *instance.Network) { n.Name = "lan" }, true},
		"another bridge":       {func(n *instance.Network) { n.Bridge = "br0" }, true},
		"another IPv4 address": {func(n *instance.Network) { n.IPv4 = netip.MustParsePrefix("10.123.0.0/16") }, true},
		"another prefix":       {func(n *instance.Network) { n.IPv4 = netip.MustParsePrefix("10.122.0.0/24") }, true},
		"no IPv6":              {func(n *instance.Network) { n.IPv6 = netip.Prefix{} }, true},
		"another domain":       {func(n *instance.Network) { n.Domain = "example.net" }, false},
		"another MTU":          {func(n *instance.Network) { n.MTU = 9000 }, false},
	} {
		n := base
		tt.change(&n)
		if others := places([]instance.Network{n}) != places([]instance.Network{base}); others != tt.others {
			t.Errorf("%s: other places %v, want %v", name, others, tt.others)
		}
	}
	if places([]instance.Network{base, base}) == places([]instance.Network{base}) {
		t.Error("a second network gives no places")
	}
}
