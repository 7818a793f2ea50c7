package apply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
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
	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/fleet"
	"mdserver/internal/hostsfile"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/logtest"
	"mdserver/internal/networks"
)

// failing is a store that can be set to refuse changes.
type failing struct {
	*storetest.Memory
	fails atomic.Bool            // whether changes are refused, with errStore
	until func() <-chan struct{} // unless nil, a change waits for that, and fails if its context has ended
}

func (f *failing) Apply(ctx context.Context, changes []instance.Change) error {
	if f.fails.Load() {
		return errStore
	}
	if f.until != nil {
		<-f.until()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return f.Memory.Apply(ctx, changes)
}

// parts stands in for the parts of a server that depend on the networks. It notes what they
// get.
type parts struct {
	t         *testing.T
	applier   *Applier
	config    *config.Config
	networks  []instance.Network // the networks as the backends describe them
	changed   chan struct{}
	refreshed bool // what Refresh returns
	inventory *inventorytest.Lab
	store     *failing
	told      []string
	log       logtest.Buffer
}

func (p *parts) Changed() <-chan struct{}                   { return p.changed }
func (p *parts) Refresh(context.Context) bool               { return p.refreshed }
func (p *parts) Describe(*config.Config) []instance.Network { return slices.Clone(p.networks) }
func (p *parts) SetPolicy(policy admission.Policy)          { p.tell("admission", policy.Interfaces) }
func (p *parts) tell(part string, what any)                 { p.told = append(p.told, fmt.Sprint(part, " ", what)) }

func (p *parts) answer(cfg *config.Config, list []instance.Network) {
	if cfg != p.config {
		p.t.Error("guests are answered under another configuration")
	}
	p.tell("answers", names(list))
}

// addresses and ports each have their own Set.
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

// newParts returns the parts of a server with a configuration. Nothing has been applied yet.
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

// configure loads a configuration and the networks it describes.
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

// oneNetwork names its host, so that no resolver looks a name up in a synctest bubble.
const oneNetwork = "[service]\nhostname = kvm1.example.net\nlocation = kvm1\n[network mds]\ninterface = br-mds\nnet_address = 10.122.0.0\n"

var allTold = []string{"admission [br-mds]", "answers [mds]", "addresses [br-mds] [169.254.169.254]", "ports [mds]"}

// TestApply checks that all parts get the networks, and get each change once.
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

// TestApplyChangesGuests checks that guests move with the addresses of their network, and that
// a guest loses a host name that has become reserved.
func TestApplyChangesGuests(t *testing.T) {
	p := newParts(t, oneNetwork)
	p.apply()
	if log := p.log.Take(); log != "" {
		t.Errorf("applying networks without guests logged\n%s", log)
	}
	before := p.register("kvm2")
	p.configure(strings.ReplaceAll(strings.ReplaceAll(oneNetwork, "kvm1", "kvm2"), "10.122.0.0", "10.123.0.0"))
	p.apply()
	after := p.guest()
	if !p.networks[0].Contains(after.IPv4) || after.Hostname == before.Hostname {
		t.Errorf("the guest is at %v as %s, and was at %v as %s", after.IPv4, after.Hostname, before.IPv4, before.Hostname)
	}
	log := p.log.Take()
	for _, want := range []string{"level=INFO msg=\"guests were updated after a change of the networks\" guests=1",
		"level=WARN msg=\"a guest's host name was changed, because its previous one is reserved\" guest=kvm2 hostname=" + after.Hostname + " former=kvm2 reason="} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	p.apply()
	if log := p.log.Take(); log != "" {
		t.Errorf("applying the same networks again logged\n%s", log)
	}
}

var errStore = errors.New("no space left on device")

// TestApplyAfterFailure checks that guests get later what they did not get at first, and that
// the other parts do not get the networks twice.
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
				t.Errorf("error %v", err)
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

// TestApplyTellsTheFleet checks that the fleet publishes the networks for other hosts, and
// each change of them.
func TestApplyTellsTheFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParts(t, oneNetwork)
		f := fleet.New(fleet.Options{ID: "me", Client: etcdfake.New().Client(t.Context()), Log: slog.New(slog.DiscardHandler)})
		p.applier.parts.Store.Fleet = f
		ctx, stop := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() { f.Run(ctx) })
		for _, address := range []string{"10.122.0.0", "10.123.0.0"} {
			p.configure(strings.ReplaceAll(oneNetwork, "10.122.0.0", address))
			p.apply()
			time.Sleep(time.Minute)
			published := f.Hosts()[0].Networks
			if !reflect.DeepEqual(published, fleet.Publishable(p.networks)) {
				t.Errorf("the fleet has %+v, want those at %s", published, address)
			}
		}
		stop()
		following.Wait()
	})
}

// run runs the Applier until stop is called. It must be called in a synctest bubble.
func (p *parts) run(ctx context.Context) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	go p.applier.Run(ctx)
	synctest.Wait()
	return stop
}

// TestRun checks that networks are applied when they change, on request, and again after a
// failure.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParts(t, oneNetwork)
		stop := p.run(t.Context())
		time.Sleep(time.Minute)
		p.mustTell() // nobody has asked yet
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
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Minute)
		if log := p.log.Take(); strings.Count(log, "guests were not updated after a change of the networks") != 1 {
			t.Errorf("the failure is not logged once:\n%s", log)
		}
		p.store.fails.Store(false)
		time.Sleep(10 * time.Second)
		if p.guest().IPv4 == before.IPv4 {
			t.Error("the guest is still where it was")
		}
		stop()
		synctest.Wait()
		if err := p.applier.Ask(t.Context()); !errors.Is(err, ErrStopping) {
			t.Errorf("asking after the end: %v", err)
		}
	})
}

// TestRunLogsEachFailure checks that a failure is logged again if it comes back after a
// success, and that the end of the server is none.
func TestRunLogsEachFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParts(t, oneNetwork)
		p.apply()
		p.register("web")
		stop := p.run(t.Context())
		change := func(address string, fails bool) {
			p.configure(strings.ReplaceAll(oneNetwork, "10.122.0.0", address))
			p.store.fails.Store(fails)
			p.changed <- struct{}{}
			time.Sleep(time.Minute + time.Second) // between two tries
			synctest.Wait()
		}
		mustFail := func(after string, want int) {
			t.Helper()
			if log := p.log.Take(); strings.Count(log, "guests were not updated after a change of the networks") != want {
				t.Errorf("%s it logged\n%s", after, log)
			}
		}
		change("10.123.0.0", true)
		mustFail("after the first failure", 1)
		change("10.123.0.0", false)
		mustFail("after a success", 0)
		change("10.124.0.0", true)
		mustFail("after the same failure of another change", 1)

		p.store.fails.Store(false)
		ended, end := context.WithCancel(t.Context())
		p.store.until = ended.Done
		p.changed <- struct{}{}
		synctest.Wait()
		stop() // while the store takes the change
		end()
		synctest.Wait()
		mustFail("after the end", 0)
	})
}

// TestAskEnds checks that Ask waits no longer than its context allows.
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
				t.Fatalf("%s: Ask returned %v at once", what, err)
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

// TestRefresh checks that a registration applies the networks if they have changed, and goes
// on if that fails.
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
		{"a change that cannot be stored", true, true, allTold, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newParts(t, oneNetwork)
				p.register("kvm1") // a name that is reserved for the host
				defer p.run(t.Context())()
				p.refreshed = tt.changed
				p.store.fails.Store(tt.fails)
				p.applier.Refresh(t.Context())
				p.mustTell(tt.want...)
				log := p.log.Take()
				if said := strings.Contains(log, "registering a guest before a change of the networks was applied"); said != tt.said {
					t.Errorf("logged %v:\n%s", said, log)
				}
			})
		})
	}
	p := newParts(t, oneNetwork)
	p.refreshed = true
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p.applier.Refresh(over)
	if log := p.log.Take(); log != "" {
		t.Errorf("a registration that is over logged\n%s", log)
	}
}

// TestPlaces checks that guests get other places if a network has another name, bridge or
// address, or comes or goes.
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
			t.Errorf("%s: places differ %v, want %v", name, others, tt.others)
		}
	}
	if places([]instance.Network{base, base}) == places([]instance.Network{base}) {
		t.Error("a second network does not change the places")
	}
}
