package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// sharedStore is a store that this host, "a", shares with others. It can be away.
type sharedStore struct {
	*storetest.Memory
	isAway  atomic.Bool
	tells   atomic.Bool // of other hosts' changes while it is away
	rival   func()      // called before the next commit, which is then in conflict
	changed chan struct{}

	mu       sync.Mutex
	revision int64
	pending  []storage.Update
	wakes    []int // addresses whose quarantine a change ended, of each change
	unshared map[uuid.UUID]storage.Unshared
	wrote    map[uuid.UUID]bool
}

func newSharedStore() *sharedStore {
	return &sharedStore{Memory: storetest.NewMemory(), changed: make(chan struct{}, 1),
		unshared: map[uuid.UUID]storage.Unshared{}, wrote: map[uuid.UUID]bool{}}
}

func (s *sharedStore) ID() string                     { return "store of a" }
func (s *sharedStore) Changed() <-chan struct{}       { return s.changed }
func (s *sharedStore) Fits([]instance.Change) bool    { return true }
func (s *sharedStore) Weight(instance.Change) float64 { return 0.3 }
func (s *sharedStore) Wrote(id uuid.UUID) bool        { s.mu.Lock(); defer s.mu.Unlock(); return s.wrote[id] }
func (s *sharedStore) Forget(_ context.Context, id uuid.UUID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unshared, id)
	return nil
}
func (s *sharedStore) Keep(_ context.Context, u storage.Unshared) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unshared[u.Record.UUID] = u
	return nil
}

// kept counts the records that are not shared yet.
func (s *sharedStore) kept() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unshared)
}

func (s *sharedStore) Unshared(context.Context) ([]storage.Unshared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []storage.Unshared
	for _, u := range s.unshared {
		list = append(list, u)
	}
	return list, nil
}

func (s *sharedStore) Away() error {
	if s.isAway.Load() {
		return storage.ErrAway
	}
	return nil
}

func (s *sharedStore) Take() []storage.Update {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isAway.Load() && !s.tells.Load() {
		return nil
	}
	updates := s.pending
	s.pending = nil
	return updates
}

func (s *sharedStore) Commit(_ context.Context, changes []instance.Change) (int64, error) {
	if rival := s.rival; rival != nil {
		s.rival = nil
		rival()
		return 0, storage.ErrConflict
	}
	return s.make("a", changes...), nil
}

// make makes changes of a host.
func (s *sharedStore) make(host string, changes ...instance.Change) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		s.revision++
		s.wakes = append(s.wakes, len(c.Wake))
		s.pending = append(s.pending, storage.Update{Revision: s.revision, Change: c})
		for _, guest := range c.Put {
			s.wrote[guest.UUID] = host == "a"
		}
		for _, id := range c.Delete {
			s.wrote[id] = host == "a"
		}
	}
	_ = s.Apply(context.Background(), changes)
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.revision
}

// newSharedFleet gives a fleet whose host a uses a shared store, and has spare addresses.
func newSharedFleet(t *testing.T, options func(host string, o *inventory.Options)) (*fleet, *sharedStore) {
	t.Helper()
	store := newSharedStore()
	f := &fleet{dead: map[string]bool{}, options: options}
	f.lab = labOn(t, store, func(o *inventory.Options) {
		o.HostID, o.HostName = "a", hostName("a")
		if options != nil {
			options("a", o)
		} else {
			o.Networks[0].IPv4, o.Networks[0].Excluded = netip.MustParsePrefix("10.0.0.0/24"), nil
		}
	})
	if err := f.Replenish(background()); err != nil {
		t.Fatal(err)
	}
	return f, store
}

// back brings the store back, and waits until all is shared and told.
func (f *fleet) back(store *sharedStore) {
	f.T.Helper()
	store.isAway.Store(false)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		select {
		case store.changed <- struct{}{}:
		default:
		}
		left := 0
		for guest := range f.Snapshot().All() {
			if guest.Unshared {
				left++
			}
		}
		if left == 0 {
			if err := f.Settle(background()); err != nil {
				f.T.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			f.T.Fatalf("%d guests are not shared", left)
		}
	}
}

// started is dom as libvirt's hook reports it.
func started(n int, name string, meta ...string) instance.Domain {
	d := dom(n, name, meta...)
	d.Source = instance.ByHook
	return d
}

// given is a guest as another host, b, has it.
func given(n int, name string, ipv4, ipv6 netip.Addr) instance.Instance {
	return instance.Instance{ID: instance.DeriveID(uid(n)), Name: name, Hostname: name, UUID: uid(n), Network: "mds", MAC: mac(n), IPv4: ipv4, IPv6: ipv6,
		Interfaces: dom(n, name).Interfaces, Home: instance.Home{Host: hostName("b"), HostID: "b", Epoch: 1}}
}

// known waits until the host knows a guest.
func (f *fleet) known(n int) {
	f.T.Helper()
	f.await(n, "known", func(*instance.Instance) bool { return true })
}

// named waits until the host knows a guest by this name.
func (f *fleet) named(n int, name string) {
	f.T.Helper()
	f.await(n, "named "+name, func(guest *instance.Instance) bool { return guest.Name == name })
}

func (f *fleet) await(n int, what string, is func(*instance.Instance) bool) {
	f.T.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if guest, ok := f.Snapshot().ByUUID(uid(n)); ok && is(guest) {
			return
		}
		if time.Now().After(deadline) {
			f.T.Fatalf("guest %d is not %s", n, what)
		}
	}
}

// TestCutOff: without the shared store, new guests get spare addresses, known ones keep
// what they have, and all else has to wait.
func TestCutOff(t *testing.T) {
	f, store := newSharedFleet(t, nil)
	known := f.MustRegister(started(1, "web")).Instance
	var spares []netip.Addr
	for _, spare := range f.Snapshot().Spares() {
		if spare.Owner != store.ID() || spare.Host != hostName("a") || spare.Network != "mds" {
			t.Errorf("%+v", spare)
		}
		spares = append(spares, spare.Addr)
	}
	if len(spares) != 4 {
		t.Fatalf("%d spare addresses, want 4", len(spares))
	}
	store.isAway.Store(true)

	for n, tt := range []struct {
		dom  instance.Domain
		want netip.Addr // the zero Addr: none
	}{
		{started(2, "first"), spares[0]},
		{started(2, "first"), spares[0]}, // again
		{started(3, "requests", "ipv4", spares[2].String()), spares[2]},
		{started(4, "elsewhere", "ipv4", "10.0.0.250"), netip.Addr{}},
		{started(5, "second"), spares[1]},
		{started(6, "third"), spares[3]},
		{started(7, "too late"), netip.Addr{}},
	} {
		reg := f.MustRegister(tt.dom)
		if reg.Instance.IPv4 != tt.want || !reg.Instance.Unshared {
			t.Errorf("registration %d: %v, want %v; unshared: %v", n+1, reg.Instance.IPv4, tt.want, reg.Instance.Unshared)
		}
		if errors.Is(reg.AddressProblem, storage.ErrAway) == tt.want.IsValid() {
			t.Errorf("registration %d: %v", n+1, reg.AddressProblem)
		}
	}
	changed := started(1, "web")
	changed.Disks = []instance.Disk{{Target: "vda", Device: "disk"}}
	if reg := f.MustRegister(changed); reg.Instance.IPv4 != known.IPv4 || len(reg.Instance.Disks) != 1 || !reg.Instance.Unshared {
		t.Errorf("a change of a known guest: %+v", reg.Instance)
	}
	stranger := dom(8, "local")
	stranger.Source = instance.ByLocal
	if reg := f.MustRegister(stranger); reg.Instance.IPv4.IsValid() || !errors.Is(reg.AddressProblem, storage.ErrAway) {
		t.Errorf("by another user: %v, %v", reg.Instance.IPv4, reg.AddressProblem)
	}
	before := f.Snapshot()
	otherMAC := started(1, "web")
	otherMAC.Interfaces = []instance.Interface{{MAC: mac(77), Network: "mds"}}
	for what, change := range map[string]func() error{
		"a release":      func() error { _, err := f.Release(background(), "web"); return err },
		"a rename":       func() error { _, err := f.Register(background(), started(1, "renamed")); return err },
		"another MAC":    func() error { _, err := f.Register(background(), otherMAC); return err },
		"a name taken":   func() error { _, err := f.Register(background(), dom(9, "web")); return err },
		"a new identity": func() error { _, err := f.Reprovision(background(), "web"); return err },
	} {
		if err := change(); !errors.Is(err, inventory.ErrStore) || !errors.Is(err, storage.ErrAway) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if f.Snapshot() != before {
		t.Error("a refused change was made")
	}
	if f.WriteFailure() == nil {
		t.Error("the failure is not known")
	}

	want := map[string]netip.Addr{}
	for guest := range f.Snapshot().All() {
		want[guest.Name] = guest.IPv4
	}
	f.back(store)
	for guest := range f.Snapshot().All() {
		if addr := want[guest.Name]; addr.IsValid() && guest.IPv4 != addr {
			t.Errorf("%s is shared with %v, and had %v", guest.Name, guest.IPv4, addr)
		} else if !guest.IPv4.IsValid() {
			t.Errorf("%s still has no address", guest.Name)
		}
		delete(want, guest.Name)
	}
	if len(want) > 0 {
		t.Errorf("not shared: %v", want)
	}
	if left, _ := store.Unshared(background()); len(left) > 0 {
		t.Errorf("%d records are kept", len(left))
	}
	if f.WriteFailure() != nil {
		t.Error("the failure is not over")
	}
}

// TestCutOffBesideOthers: without the shared store, a guest that requests a spare address of
// another host starts without one.
func TestCutOffBesideOthers(t *testing.T) {
	f, store := newSharedFleet(t, nil)
	theirs := instance.Spare{Addr: netip.MustParseAddr("10.0.0.210"), Network: "mds", Host: hostName("b"), Owner: "store of b"}
	store.make("b", instance.Change{Hold: []instance.Spare{theirs}})
	if err := f.Settle(background()); err != nil {
		t.Fatal(err)
	}
	store.isAway.Store(true)
	if reg := f.MustRegister(started(1, "web", "ipv4", "10.0.0.210")); reg.Instance.IPv4.IsValid() || !errors.Is(reg.AddressProblem, storage.ErrAway) {
		t.Errorf("it has %v: %v", reg.Instance.IPv4, reg.AddressProblem)
	}
}

// TestCutOffInRanges: without the shared store, a guest that moves gets a spare address
// of its new host. Nobody gets the former one, which is put into quarantine when the store
// is back.
func TestCutOffInRanges(t *testing.T) {
	former4, former6 := netip.MustParseAddr("10.0.2.9"), netip.MustParseAddr("fd00:0:0:2::9")
	f, store := newSharedFleet(t, withRange)
	db := given(2, "db", former4.Next(), former6.Next())
	db.Run = instance.Running
	store.make("b", instance.Change{Put: []instance.Instance{given(1, "web", former4, former6), db}})
	f.known(2)
	store.isAway.Store(true)
	reg := f.MustRegister(started(1, "web"))
	if rangeOf(&reg.Instance) != "a" || !reg.Instance.Unshared || reg.Instance.Epoch != 2 {
		t.Fatalf("moved: %+v", reg.Instance)
	}
	if again := f.MustRegister(started(1, "web")); again.Instance.IPv4 != reg.Instance.IPv4 || again.Instance.IPv6 != reg.Instance.IPv6 {
		t.Errorf("started again: %v, and had %v", again.Instance.IPv4, reg.Instance.IPv4)
	}
	if len(f.RestingIDs()) > 0 {
		t.Errorf("cut off, %v rest", f.RestingIDs())
	}
	received := started(2, "db")
	received.Received = true
	if db := f.MustRegister(received).Instance; db.IPv4 != former4.Next() {
		t.Errorf("on its way it has %v", db.IPv4)
	}
	f.back(store)
	guest, _ := f.Snapshot().ByUUID(uid(1))
	if guest.IPv4 != reg.Instance.IPv4 || guest.IPv6 != reg.Instance.IPv6 {
		t.Errorf("shared: %v, and had %v", guest.IPv4, reg.Instance.IPv4)
	}
	if rests := f.RestingIDs(); len(rests) != 2 || rests[former4.String()] != guest.ID || rests[former6.String()] != guest.ID {
		t.Errorf("shared, %v rest", rests)
	}
	if db, _ := f.Snapshot().ByUUID(uid(2)); db.IPv4 != former4.Next() || db.IPv6 != former6.Next() {
		t.Errorf("on its way it is shared with %v", db.IPv4)
	}
}

// TestMeanwhile: what other hosts have done while this one was cut off holds. This host's
// guest gets something else, or is given up, and then its address rests.
func TestMeanwhile(t *testing.T) {
	free4, free6 := netip.MustParseAddr("10.0.0.200"), netip.Addr{}
	theirs := func(n int, name string, change func(*instance.Instance)) instance.Instance {
		guest := given(n, name, free4, free6)
		if change != nil {
			change(&guest)
		}
		return guest
	}
	for name, tt := range map[string]struct {
		known    bool // this host had shared the guest before
		other    instance.Change
		name     string // of guest 1 in the end; "": it is not this host's
		hostname string // begins so
		rests    bool   // the address that it was given
	}{
		"nothing":            {false, instance.Change{}, "web", "web", false},
		"nothing, known":     {true, instance.Change{}, "web", "web", false},
		"the name":           {false, instance.Change{Put: []instance.Instance{theirs(2, "web", nil)}}, uid(1).String(), "web-", false},
		"the host name":      {false, instance.Change{Put: []instance.Instance{theirs(2, "x", func(g *instance.Instance) { g.Hostname = "WEB" })}}, "web", "web-", false},
		"the MAC address":    {false, instance.Change{Put: []instance.Instance{theirs(2, "x", func(g *instance.Instance) { g.MAC = mac(1); g.Interfaces[1].MAC = mac(1) })}}, "", "", true},
		"the instance-id":    {false, instance.Change{Put: []instance.Instance{theirs(2, "x", func(g *instance.Instance) { g.ID = instance.DeriveID(uid(1)) })}}, "", "", true},
		"the guest itself":   {false, instance.Change{Put: []instance.Instance{theirs(1, "web", nil)}}, "", "", true},
		"a guest of no host": {false, instance.Change{Put: []instance.Instance{theirs(1, "other", func(g *instance.Instance) { g.Home = instance.Home{} })}}, "", "", true},
		"one of another MAC": {false, instance.Change{Put: []instance.Instance{theirs(1, "web", func(g *instance.Instance) { g.Home, g.MAC = instance.Home{}, mac(3) })}}, "", "", true},
		"the known guest":    {true, instance.Change{Put: []instance.Instance{theirs(1, "web", func(g *instance.Instance) { g.Epoch = 2 })}}, "", "", false},
		"its name":           {true, instance.Change{Put: []instance.Instance{theirs(1, "renamed", func(g *instance.Instance) { g.Home = instance.Home{Host: hostName("a"), HostID: "a", Epoch: 1} })}}, "", "", false},
		"released":           {true, instance.Change{Delete: []uuid.UUID{uid(1)}}, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			f, store := newSharedFleet(t, nil)
			if tt.known {
				f.MustRegister(started(1, "web"))
			}
			store.isAway.Store(true)
			d := started(1, "web")
			d.Disks = []instance.Disk{{Target: "vda", Device: "disk"}}
			mine := f.MustRegister(d).Instance
			if !mine.Unshared {
				t.Fatalf("%+v", mine)
			}
			store.make("b", tt.other)
			f.back(store)
			guest, ok := f.Snapshot().ByUUID(uid(1))
			kept := ok && guest.HostID == "a" && len(guest.Disks) == 1
			if kept != (tt.name != "") {
				t.Errorf("kept: %v, %+v", kept, guest)
			}
			if kept && (guest.Name != tt.name || !strings.HasPrefix(guest.Hostname, tt.hostname) || guest.IPv4 != mine.IPv4) {
				t.Errorf("%+v, and had %v", guest, mine.IPv4)
			}
			if kept && (guest.Hostname != "web") != (guest.Wanted.Hostname == "web") {
				t.Errorf("its host name is %q, and it does not say that it wants %q", guest.Hostname, "web")
			}
			if _, told := f.Refusals().Of(uid(1)); told == kept {
				t.Errorf("told that it was given up: %v", told)
			}
			if _, rests := f.RestingIDs()[mine.IPv4.String()]; rests != tt.rests {
				t.Errorf("%v rests: %v", mine.IPv4, rests)
			}
			for _, other := range tt.other.Put {
				if now, ok := f.Snapshot().ByUUID(other.UUID); !ok || now.Name != other.Name || now.Hostname != other.Hostname || now.IPv4 != other.IPv4 {
					t.Errorf("the other host's guest is %+v", now)
				}
			}
			for _, spare := range f.Snapshot().Spares() {
				if spare.Addr == mine.IPv4 {
					t.Errorf("%v, which was given, is spare", spare.Addr)
				}
			}
		})
	}
}

// TestMeanwhileTwice: the second change of an unshared guest rests on what the first one
// did, and not on what another host has made of the guest since.
func TestMeanwhileTwice(t *testing.T) {
	f, store := newSharedFleet(t, nil)
	renamed := f.MustRegister(started(1, "web")).Instance
	renamed.Name = "renamed"
	store.tells.Store(true)
	store.isAway.Store(true)
	d := started(1, "web")
	for _, disk := range []string{"vda", "vdb"} {
		d.Disks = append(d.Disks, instance.Disk{Target: disk, Device: "disk"})
		if mine := f.MustRegister(d).Instance; !mine.Unshared || len(mine.Disks) != len(d.Disks) {
			t.Fatalf("with %s: %+v", disk, mine)
		}
		store.make("b", instance.Change{Put: []instance.Instance{renamed}})
		f.named(1, "renamed")
	}
	f.back(store)
	if guest, _ := f.Snapshot().ByUUID(uid(1)); guest.Name != "renamed" || len(guest.Disks) > 0 {
		t.Errorf("%+v", guest)
	}
	if _, told := f.Refusals().Of(uid(1)); !told {
		t.Error("no refusal tells that it was given up")
	}
}

// TestConflict: a change is worked out again on what another host has changed meanwhile.
func TestConflict(t *testing.T) {
	f, store := newSharedFleet(t, nil)
	taken := netip.MustParseAddr("10.0.0.77")
	store.rival = func() {
		store.make("b", instance.Change{Put: []instance.Instance{given(2, "db", taken, netip.Addr{})}})
	}
	if _, err := f.Register(background(), started(1, "web", "ipv4", "10.0.0.77")); !errors.Is(err, denied.ErrAddressTaken) {
		t.Errorf("an address that another host has just given: %v", err)
	}
	if got := f.Conflicts(); got != 1 {
		t.Errorf("%d conflicts, want 1", got)
	}
	store.rival = func() {
		store.make("b", instance.Change{Put: []instance.Instance{given(3, "web", netip.Addr{}, netip.Addr{})}})
	}
	if reg := f.MustRegister(started(1, "web")); reg.Instance.Name != uid(1).String() || reg.Instance.Wanted.Name != "web" {
		t.Errorf("a name that another host has just given: %+v", reg.Instance)
	}
}

// TestAddressesOfOtherHosts: an address that a guest of another host has, or that is in
// quarantine or spare there, is not given out. It is free as soon as that ends.
func TestAddressesOfOtherHosts(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.2")
	has := instance.Change{Put: []instance.Instance{given(1, "theirs", addr, netip.Addr{})}}
	rests := instance.Change{Rest: []instance.Resting{{Addr: addr, MAC: mac(1), UUID: uid(1), Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	spare := instance.Change{Hold: []instance.Spare{{Addr: addr, Network: "mds", Host: hostName("b"), Owner: "store of b"}}}
	removed := instance.Change{Delete: []uuid.UUID{uid(1)}}
	for name, tt := range map[string]struct{ begins, ends []instance.Change }{
		"a guest that is removed":           {[]instance.Change{has}, []instance.Change{removed}},
		"a guest that gives up the address": {[]instance.Change{has}, []instance.Change{{Put: []instance.Instance{given(1, "theirs", netip.Addr{}, netip.Addr{})}}}},
		"a guest that gives it to a spare":  {[]instance.Change{has}, []instance.Change{{Delete: removed.Delete, Hold: spare.Hold}, {Drop: []netip.Addr{addr}}}},
		"a quarantine that is over":         {[]instance.Change{rests}, []instance.Change{{Wake: []netip.Addr{addr}}}},
		"a quarantine after a guest":        {[]instance.Change{has, {Delete: removed.Delete, Rest: rests.Rest}}, []instance.Change{{Wake: []netip.Addr{addr}}}},
		"a spare address":                   {[]instance.Change{spare}, []instance.Change{{Drop: []netip.Addr{addr}}}},
		"a spare address that a guest gets": {[]instance.Change{spare, {Drop: []netip.Addr{addr}, Put: has.Put}}, []instance.Change{removed}},
		"a quarantine that a guest ends":    {[]instance.Change{rests, {Wake: []netip.Addr{addr}, Put: has.Put}}, []instance.Change{removed}},
		"a quarantine that ends later":      {[]instance.Change{rests, has, {Wake: []netip.Addr{addr}}}, []instance.Change{removed}},
		"a spare address dropped later":     {[]instance.Change{spare, has, {Drop: []netip.Addr{addr}}}, []instance.Change{removed}},
		"what ends and never began":         {[]instance.Change{has, {Drop: []netip.Addr{addr}, Wake: []netip.Addr{addr}}}, []instance.Change{removed}},
	} {
		t.Run(name, func(t *testing.T) {
			f, store := newSharedFleet(t, func(_ string, o *inventory.Options) {
				o.Networks[0].IPv4 = netip.MustParsePrefix("10.0.0.0/30") // has no other address
			})
			d := dom(2, "web")
			d.Source = instance.ByLocal // takes none that rests, either
			store.make("b", tt.begins...)
			if reg := f.MustRegister(d); !errors.Is(reg.AddressProblem, denied.ErrNetworkFull) {
				t.Errorf("it has %v: %v", reg.Instance.IPv4, reg.AddressProblem)
			}
			store.make("b", tt.ends...)
			if reg := f.MustRegister(d); reg.Instance.IPv4 != addr {
				t.Errorf("after the end, it has %v: %v", reg.Instance.IPv4, reg.AddressProblem)
			}
		})
	}
}

// TestWholeTable: a shared store may send the whole table again. Records that contradict
// others are reported and not served.
func TestWholeTable(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.9")
	for name, tt := range map[string]struct {
		guests []instance.Instance
		want   string
		failed bool
	}{
		"other guests":             {[]instance.Instance{given(2, "b", addr, netip.Addr{}), given(3, "c", netip.Addr{}, netip.Addr{})}, "b c", false},
		"two guests on an address": {[]instance.Instance{given(2, "b", addr, netip.Addr{}), given(3, "c", addr, netip.Addr{})}, "b", true},
		"nothing":                  {nil, "", false},
	} {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", whole: ", whole), func(t *testing.T) {
				f, store := newSharedFleet(t, nil)
				f.MustRegister(started(1, "a"))
				update := storage.Update{Change: instance.Change{Delete: []uuid.UUID{uid(1)}, Put: tt.guests}}
				if whole {
					update = storage.Update{Whole: &instance.Table{Instances: tt.guests}}
				}
				store.mu.Lock()
				store.revision++
				update.Revision = store.revision
				store.pending = append(store.pending, update)
				store.mu.Unlock()
				if err := f.Settle(background()); err != nil {
					t.Fatal(err)
				}
				var names []string
				for guest := range f.Snapshot().All() {
					names = append(names, guest.Name)
				}
				if got := strings.Join(names, " "); got != tt.want {
					t.Errorf("served are %q, want %q", got, tt.want)
				}
				if failure := f.WriteFailure(); (failure != nil) != tt.failed {
					t.Errorf("the failure is %+v", failure)
				}
			})
		}
	}
}

// TestArrivalCutOff: that a guest has left is shared when the store is back, beside what
// the other host has said of the guest, unless that host knows more.
func TestArrivalCutOff(t *testing.T) {
	onItsWay := func(change func(*instance.Instance)) instance.Instance {
		guest := given(1, "web", netip.MustParseAddr("10.0.0.9"), netip.Addr{})
		guest.Home = instance.Home{Host: hostName("b"), HostID: "b", Epoch: 2, FromHost: hostName("a"), FromID: "a"}
		change(&guest)
		return guest
	}
	for name, tt := range map[string]struct {
		other func(*instance.Instance) // what the other host has changed
		want  string
	}{
		"nothing":       {func(*instance.Instance) {}, "b 2 starting"},
		"it runs there": {func(g *instance.Instance) { g.Run, g.FromHost, g.FromID = instance.Running, "", "" }, "b 2 running"},
		"sent again":    {func(g *instance.Instance) { g.Host, g.HostID, g.Epoch = hostName("c"), "c", 3 }, "c 3 from a"},
	} {
		t.Run(name, func(t *testing.T) {
			f, store := newSharedFleet(t, nil)
			store.make("b", instance.Change{Put: []instance.Instance{onItsWay(func(*instance.Instance) {})}})
			f.known(1)
			store.isAway.Store(true)
			f.MustMiss(1, true)
			if got := f.home(); got != "b 2 starting" {
				t.Errorf("cut off it is %q", got)
			}
			store.make("b", instance.Change{Put: []instance.Instance{onItsWay(func(g *instance.Instance) { tt.other(g); g.VCPUs = 8 })}})
			f.back(store)
			if guest, _ := f.Snapshot().ByUUID(uid(1)); f.home() != tt.want || guest.VCPUs != 8 || guest.Unshared {
				t.Errorf("it is %q with %d CPUs, want %q with 8", f.home(), guest.VCPUs, tt.want)
			}
		})
	}
}

// TestSpares: a host has as many spare addresses as it has had new guests lately, within
// bounds, and gives back what it has too many of.
func TestSpares(t *testing.T) {
	drained := false
	f, store := newSharedFleet(t, func(_ string, o *inventory.Options) {
		o.Networks[0].IPv4, o.Networks[0].Excluded = netip.MustParsePrefix("10.0.0.0/24"), nil
		o.Drained = func() bool { return drained }
	})
	count := func(what string, want int) {
		t.Helper()
		if err := f.Replenish(background()); err != nil {
			t.Fatal(err)
		}
		if got := len(f.Snapshot().Spares()); got != want {
			t.Errorf("%s: %d spare addresses, want %d", what, got, want)
		}
	}
	count("at first", 4)
	for n := range 8 {
		f.MustRegister(started(n, fmt.Sprint("web", n)))
	}
	count("8 new guests", 8)
	store.make("b", instance.Change{Put: []instance.Instance{given(50, "theirs", netip.MustParseAddr("10.0.0.200"), netip.Addr{})}})
	f.known(50)
	count("and one of another host", 8)
	f.Clock.Advance(day - time.Second)
	count("almost a day later", 8)
	f.Clock.Advance(time.Second)
	count("a day later", 4)
	drained = true
	count("drained", 0)
	drained = false
	count("back", 4)
	var theirs []instance.Spare
	for n := range 3 {
		theirs = append(theirs, instance.Spare{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(210 + n)}), Network: "mds", Host: hostName("b"), Owner: "store of b"})
	}
	free := f.Free("mds")
	store.make("b", instance.Change{Hold: theirs})
	count("and three of another host", 7)
	if got := f.Free("mds"); got != free-3 {
		t.Errorf("%d addresses are free, want %d without those of the other host", got, free-3)
	}
	if _, err := f.Register(background(), started(20, "taker", "ipv4", "10.0.0.210")); !errors.Is(err, denied.ErrAddressTaken) {
		t.Errorf("the spare address of another host: %v", err)
	}
	if _, err := f.ForgetHost(background(), "store of b"); err != nil {
		t.Fatal(err)
	}
	count("that is forgotten", 4)
	store.isAway.Store(true)
	count("away", 4)
	store.isAway.Store(false)
	own := f.Snapshot().Spares()[0]
	if reg := f.MustRegister(started(21, "owner", "ipv4", own.Addr.String())); reg.Instance.IPv4 != own.Addr {
		t.Errorf("its own spare address: %v", reg.Instance.IPv4)
	}
	count("one is given", 4)
	opts := f.Opts
	opts.Networks = []instance.Network{{Name: "other", IPv4: netip.MustParsePrefix("10.0.1.0/28")}}
	f.Reconfigure(opts)
	store.make("b", instance.Change{Hold: theirs[:1]})
	count("on a small network, beside that of another host", 2)
	for _, spare := range f.Snapshot().Spares() {
		if spare.Network != "other" && spare.Owner != "store of b" {
			t.Errorf("%+v", spare)
		}
	}
}

// TestWakes: all hosts find the same addresses whose quarantine is over, so each change
// takes a few of them, and nothing is written for them alone.
func TestWakes(t *testing.T) {
	f, store := newSharedFleet(t, nil)
	for n := range 9 {
		f.MustRegister(started(n, fmt.Sprint("web", n)))
	}
	for n := range 9 {
		f.MustRelease(fmt.Sprint("web", n))
	}
	f.Clock.Advance(day)
	before := store.revision
	f.MustObserve(dom(20, "seen"), true)
	f.MustObserve(dom(20, "seen"), true)
	if store.revision != before+1 {
		t.Errorf("%d changes, want 1", store.revision-before)
	}
	f.MustRegister(started(21, "next"))
	f.MustRegister(started(22, "last"))
	if got := fmt.Sprint(store.wakes[before:]); got != "[4 4 1]" || len(f.RestingIDs()) > 0 {
		t.Errorf("the changes end the quarantine of %s addresses; %d are left", got, len(f.RestingIDs()))
	}
}
