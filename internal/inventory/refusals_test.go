package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// The message about a domain that is no guest says why, and how it becomes one.
func TestRefusals(t *testing.T) {
	nics := func(d instance.Domain, nics ...instance.Interface) instance.Domain {
		d.Interfaces = nics
		return d
	}
	sameMAC := nics(dom(2, "twin"), instance.Interface{MAC: mac(1), Network: "mds"})
	hooked := nics(dom(2, "hooked"), instance.Interface{MAC: mac(2), Network: "lan"})
	hooked.Source = instance.ByHook
	var many []instance.Interface
	for i := range 20 {
		many = append(many, instance.Interface{MAC: mac(100 + i), Network: fmt.Sprint("lan", i)})
	}
	const attach = "give it an interface on a served network: virsh attach-interface %s network mds --model virtio --config"
	const lan = `serve the network "lan": add the section [network lan] with the line "backend = libvirt" to the configuration, and reload mdserver`
	const bridge = `serve the bridge "br0": add a section [network NAME] with "interface = br0", net_address and net_prefix to the configuration, and reload mdserver`
	for name, test := range map[string]struct {
		domain instance.Domain
		state  api.RefusalState
		source string
		reason string
		advice []string
		macs   int
	}{
		"a MAC address that is taken": {sameMAC, api.Refused, instance.ByLibvirt, `MAC address in use: ` + mac(1).String() + ` belongs to guest "web"`,
			[]string{`give one of them another MAC address, or, if "web" no longer exists, remove it: mdserver instance rm web`}, 1},
		"an address outside": {dom(2, "far", "ipv4", "10.9.0.1"), api.Refused, instance.ByLibvirt, "address outside the network: the metadata requests",
			[]string{"change the address in the domain's <metadata>, or remove it to get an automatic one"}, 2},
		"no name":         {nics(dom(2, "")), api.Refused, instance.ByLibvirt, "invalid domain: ", nil, 0},
		"another network": {hooked, api.Unserved, instance.ByHook, "no interface on the metadata network: ", []string{fmt.Sprintf(attach, "hooked"), lan}, 1},
		"no interface":    {nics(dom(2, "x y")), api.Unserved, instance.ByLibvirt, "no interface on the metadata network: ", []string{fmt.Sprintf(attach, "'x y'")}, 0},
		"a bridge and a network, twice": {nics(dom(2, "both"), instance.Interface{Bridge: "br0", MAC: mac(2)}, instance.Interface{Network: "lan", Bridge: "br0"}, instance.Interface{Bridge: "br0"}, instance.Interface{MAC: mac(3)}),
			api.Unserved, instance.ByLibvirt, "no interface on the metadata network: ", []string{fmt.Sprintf(attach, "both"), bridge, lan}, 4},
		"many networks": {nics(dom(2, "many"), many...), api.Unserved, instance.ByLibvirt, "no interface on the metadata network: ", nil, 16},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.MustRegister(dom(1, "web"))
			if _, err := l.Register(t.Context(), test.domain); err == nil {
				t.Fatal("it was registered")
			}
			r, ok := l.Refusals().Of(uid(2))
			if !ok || r.Name != test.domain.Name || r.State != test.state || r.Source != test.source || !strings.HasPrefix(r.Reason, test.reason) || len(r.MACs) != test.macs {
				t.Errorf("%+v", r)
			}
			if test.macs == 16 {
				if len(r.Advice) != 1+16 {
					t.Errorf("%d pieces of advice for 20 networks: %q", len(r.Advice), r.Advice)
				}
			} else if !slices.Equal(r.Advice, test.advice) {
				t.Errorf("advice %q, want %q", r.Advice, test.advice)
			}
			l.MustRegister(dom(2, "mended"))
			if _, told := l.Refusals().Of(uid(2)); told {
				t.Error("a domain that is a guest is still refused")
			}
		})
	}
}

// Without any network, there is none to attach an interface to.
func TestAdviceWithoutNetworks(t *testing.T) {
	l := newLab(t, func(o *inventory.Options) { o.Networks = nil })
	if _, err := l.Register(t.Context(), dom(1, "web")); !errors.Is(err, denied.ErrNoInterface) {
		t.Fatal(err)
	}
	if r, _ := l.Refusals().Of(uid(1)); len(r.Advice) != 1 || !strings.HasPrefix(r.Advice[0], `serve the network "mds"`) {
		t.Errorf("advice %q", r.Advice)
	}
}

// Refusals records what a user other than root uploads only for unknown domains, and what
// the hook reports for known guests, too.
func TestRefusedUploads(t *testing.T) {
	l := newLab(t)
	l.MustRegister(dom(1, "web"))
	for n, want := range map[int]bool{1: false, 2: true} {
		d := dom(n, "web", "ipv4", "10.9.0.1")
		d.Source = instance.ByLocal
		if _, err := l.Register(t.Context(), d); err == nil {
			t.Fatal("registered")
		}
		if _, told := l.Refusals().Of(uid(n)); told != want {
			t.Errorf("of guest %d, it is told: %v", n, told)
		}
	}
	d := dom(1, "web", "ipv4", "10.9.0.1")
	d.Source = instance.ByHook
	if _, err := l.Register(t.Context(), d); err == nil {
		t.Fatal("registered")
	}
	if _, told := l.Refusals().Of(uid(1)); !told {
		t.Error("a guest that the hook's word would change wrongly is not told of")
	}
}

// A change that cannot be written has no effect: its caller gets only an error, and no
// domain is refused for it.
func TestNothingIsMadeWithoutTheStore(t *testing.T) {
	store := &faulty{Memory: storetest.NewMemory()}
	l := labOn(t, store, func(o *inventory.Options) { o.OwnNames = []string{"hv1"} })
	hv1 := instance.Instance{ID: "i-7", Name: "hv1", Hostname: "hv1", UUID: uid(7), MAC: mac(7), IPv4: netip.MustParseAddr("10.0.0.9")}
	if _, err := l.Adopt(t.Context(), instance.Table{Instances: []instance.Instance{hv1}}, false); err != nil {
		t.Fatal(err)
	}
	opts := l.Opts
	opts.OwnNames = nil
	l.Reconfigure(opts)
	l.MustObserve(dom(1, "web"), true)
	l.MustObserve(dom(2, "gone"), true)
	l.MustMiss(2, false)
	opts.OwnNames, opts.HostID = []string{"hv1", "web"}, ""
	opts.Networks[0].Excluded = append(opts.Networks[0].Excluded, instance.AddrRange{First: hv1.IPv4, Last: hv1.IPv4})
	opts.Networks = append(opts.Networks, instance.Network{Name: "lan", IPv4: netip.MustParsePrefix("10.1.0.0/28")})
	l.Reconfigure(opts)
	store.apply = func(func() error) error { return errDisk }
	before := l.Snapshot()
	record := instance.Instance{UUID: uid(9), Name: "new", MAC: mac(9), IPv4: netip.MustParseAddr("192.0.2.9")}
	complete := record
	complete.ID, complete.Hostname = "i-9", "new"
	ctx := t.Context()
	for name, do := range map[string]func() (made bool, err error){
		"Register": func() (bool, error) { r, err := l.Register(ctx, dom(3, "db")); return r.Created, err },
		"Observe":  func() (bool, error) { _, err := l.Observe(ctx, dom(3, "db"), true); return false, err },
		"Release":  func() (bool, error) { g, err := l.Release(ctx, "web"); return g.Name != "", err },
		"Miss":     func() (bool, error) { _, err := l.Miss(ctx, uid(1), false); return false, err },
		"Unplug":   func() (bool, error) { _, err := l.Unplug(ctx, uid(1)); return false, err },
		"ReleaseGone": func() (bool, error) {
			_, err := l.ReleaseGone(ctx, uid(2), l.Clock.Now())
			return false, err
		},
		"Reprovision": func() (bool, error) { g, err := l.Reprovision(ctx, "web"); return g.Name != "", err },
		"SetPassword": func() (bool, error) { return false, l.SetPassword(ctx, uid(1), "secret") },
		"Import": func() (bool, error) {
			r, err := l.Import(ctx, []instance.Instance{record})
			return len(r.Added) > 0, err
		},
		"Merge": func() (bool, error) {
			r, err := l.Merge(ctx, []instance.Instance{record}, time.Time{})
			return len(r.Added) > 0, err
		},
		"Adopt": func() (bool, error) {
			r, err := l.Adopt(ctx, instance.Table{Instances: []instance.Instance{complete}}, false)
			return len(r.Added) > 0, err
		},
		"RenameReserved": func() (bool, error) { _, err := l.RenameReserved(ctx); return false, err },
	} {
		made, err := do()
		if !errors.Is(err, inventory.ErrStore) || !errors.Is(err, errDisk) || made {
			t.Errorf("%s: made %v, %v", name, made, err)
		}
	}
	if l.Snapshot() != before || len(l.Refusals().All()) > 0 {
		t.Errorf("something is made, or refused: %v", l.Refusals().All())
	}

	store.apply = nil
	if err := l.SetPassword(ctx, uid(1), "secret"); err != nil {
		t.Error(err)
	}
	if guest, _ := l.Snapshot().ByUUID(uid(1)); guest.Password != "secret" {
		t.Error("the password is not kept")
	}
	if err := l.SetPassword(ctx, uid(1), "other"); !errors.Is(err, denied.ErrPasswordSet) {
		t.Errorf("a second password: %v", err)
	}
	if renamed, err := l.RenameReserved(ctx); err != nil || len(renamed) == 0 {
		t.Errorf("renamed are %+v, %v", renamed, err)
	}
	if r, err := l.Merge(ctx, []instance.Instance{record}, time.Time{}); err != nil || len(r.Added) != 1 {
		t.Errorf("merged are %+v, %v", r, err)
	}
	if released, err := l.ReleaseGone(ctx, uid(2), l.Clock.Now()); err != nil || !released {
		t.Errorf("released: %v, %v", released, err)
	}
}

// brittle is a store that fails where a test says so.
type brittle struct {
	*storetest.Memory
	load, setAside, close error
}

func (b *brittle) Load(ctx context.Context) (instance.Table, error) {
	if b.load != nil {
		return instance.Table{}, b.load
	}
	return b.Memory.Load(ctx)
}

func (b *brittle) SetAside(ctx context.Context, guests []instance.Instance, reasons []error) error {
	if b.setAside != nil {
		return b.setAside
	}
	return b.Memory.SetAside(ctx, guests, reasons)
}

func (b *brittle) Close() error { return b.close }

// An inventory does not open if its store cannot be read, or if it cannot set contradicting
// guests aside. Close returns the store's error each time.
func TestStoreThatFails(t *testing.T) {
	twins := instance.Change{Put: []instance.Instance{
		{ID: "i-1", Name: "a", Hostname: "a", UUID: uid(1), MAC: mac(1)}, {ID: "i-2", Name: "b", Hostname: "b", UUID: uid(2), MAC: mac(1)}}}
	for name, test := range map[string]struct {
		store *brittle
		want  string
	}{
		"read":      {&brittle{load: errDisk}, "load the inventory: input/output error"},
		"set aside": {&brittle{setAside: errDisk}, "load the inventory: set aside 2 conflicting records: input/output error"},
	} {
		test.store.Memory = storetest.NewMemory()
		if err := test.store.Apply(t.Context(), []instance.Change{twins}); err != nil {
			t.Fatal(err)
		}
		if inv, err := inventory.Open(t.Context(), test.store, inventory.Options{}); err == nil || err.Error() != test.want || inv != nil {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	inv, err := inventory.Open(t.Context(), &brittle{Memory: storetest.NewMemory(), close: errDisk}, inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := inv.Close(); !errors.Is(err, errDisk) {
			t.Errorf("closed: %v", err)
		}
	}
}

// The clock and the host of an inventory are those of its options; a clock that a change
// of them does not name stays.
func TestReconfigured(t *testing.T) {
	l := newLab(t, func(o *inventory.Options) { o.HostID = "a" })
	l.MustObserve(dom(1, "web"), true)
	guest, _ := l.Snapshot().ByUUID(uid(1))
	if l.HostID() != "a" || !l.Has(guest) {
		t.Errorf("the host %q has it: %v", l.HostID(), l.Has(guest))
	}
	opts := l.Opts
	opts.HostID, opts.Now = "b", nil
	l.Reconfigure(opts)
	if l.HostID() != "b" || l.Has(guest) || !l.Now().Equal(l.Clock.Now()) {
		t.Errorf("the host %q has it: %v, at %v", l.HostID(), l.Has(guest), l.Now())
	}
}

// A reload says if the store cannot be read, and loads what other programs have written.
func TestReloadThatFails(t *testing.T) {
	store := &faulty{Memory: storetest.NewMemory()}
	l := labOn(t, store)
	l.MustRegister(dom(1, "web"))
	store.load = errDisk
	if err := l.Reload(t.Context()); !errors.Is(err, errDisk) || !errors.Is(err, inventory.ErrStore) {
		t.Errorf("reloaded: %v", err)
	}
	store.load = nil
	twin := instance.Instance{ID: "i-2", Name: "b", Hostname: "b", UUID: uid(2), Network: "mds", MAC: mac(1)}
	if err := store.Memory.Apply(t.Context(), []instance.Change{{Put: []instance.Instance{twin}}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(t.Context()); !errors.Is(err, denied.ErrMACInUse) || l.Snapshot().Len() != 1 {
		t.Errorf("guests contradict each other: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller has gone: %v", err)
	}
}

// keeper is a shared store that fails where a test says so.
type keeper struct {
	*sharedStore
	keep, unshared error
}

func (k *keeper) Keep(ctx context.Context, u storage.Unshared) error {
	if k.keep != nil {
		return k.keep
	}
	return k.sharedStore.Keep(ctx, u)
}

func (k *keeper) Unshared(ctx context.Context) ([]storage.Unshared, error) {
	if k.unshared != nil {
		return nil, k.unshared
	}
	return k.sharedStore.Unshared(ctx)
}

// While the shared store is away, a guest that cannot be kept on this host is not
// registered. An inventory that cannot read what was kept does not open.
func TestKeptOnThisHost(t *testing.T) {
	store := &keeper{sharedStore: newSharedStore()}
	l := labOn(t, store, func(o *inventory.Options) {
		o.HostID, o.HostName = "a", hostName("a")
		o.Networks[0].IPv4, o.Networks[0].Excluded = netip.MustParsePrefix("10.0.0.0/24"), nil
	})
	if err := l.Replenish(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.isAway.Store(true)
	store.keep = errDisk
	before := l.Snapshot()
	if _, err := l.Register(t.Context(), started(1, "web")); !errors.Is(err, inventory.ErrStore) || !errors.Is(err, errDisk) || !errors.Is(err, storage.ErrAway) {
		t.Errorf("registered: %v", err)
	}
	if l.Snapshot() != before || l.WriteFailure() == nil {
		t.Error("a guest that is kept nowhere is known, or the failure is not")
	}
	if _, err := l.Release(t.Context(), "nobody"); !errors.Is(err, denied.ErrNotFound) {
		t.Errorf("a guest that nobody knows: %v", err)
	}
	if inv, err := inventory.Open(t.Context(), &keeper{sharedStore: newSharedStore(), unshared: errDisk}, inventory.Options{HostID: "a"}); err == nil ||
		!strings.Contains(err.Error(), "load the changes that are not shared yet") || inv != nil {
		t.Errorf("opened: %v", err)
	}
}
