package etcdstore

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
)

var (
	rangeA, rangeA6 = netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("fd00:0:0:1::/64")
	rangeB, rangeB6 = netip.MustParsePrefix("10.0.2.0/24"), netip.MustParsePrefix("fd00:0:0:2::/64")
)

// ranged gives two hosts with a range each of the network mds.
func ranged(t *testing.T) (cluster *testEtcd, a, b *host) {
	t.Helper()
	cluster = startEtcd(t)
	a = newHost(t, connect(t, cluster), rangedOptions("kvm1", rangeA, rangeA6))
	b = newHost(t, connect(t, cluster), rangedOptions("kvm2", rangeB, rangeB6))
	a.replenish(t)
	b.replenish(t)
	agree(t, []*host{a, b})
	return cluster, a, b
}

func rangedOptions(name string, ipv4, ipv6 netip.Prefix) inventory.Options {
	opts := options("10.0.0.0/24")
	opts.HostID, opts.HostName = name, name
	opts.Alive = func(string) bool { return true }
	opts.Networks[0].IPv4, opts.Networks[0].IPv6, opts.Networks[0].PerHost = ipv4, ipv6, true
	return opts
}

// register makes a domain known by what a host has to say of it.
func (h *host) register(t *testing.T, d instance.Domain) inventory.Registration {
	t.Helper()
	reg, err := h.Register(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

func (h *host) observe(t *testing.T, d instance.Domain, running bool) {
	t.Helper()
	if _, err := h.Observe(context.Background(), d, running); err != nil {
		t.Fatal(err)
	}
}

func receivedBy(d instance.Domain) instance.Domain {
	d.Source, d.Received = instance.ByHook, true
	return d
}

// wantIn checks that all hosts have a guest with addresses of a range, and with its
// own instance-id and host name.
func wantIn(t *testing.T, list []*host, n int, what string, ipv4, ipv6 netip.Prefix) instance.Instance {
	t.Helper()
	table := agree(t, list)
	i := slices.IndexFunc(table.Instances, func(guest instance.Instance) bool { return guest.UUID == uid(n) })
	if i < 0 {
		t.Fatalf("%s: the guest is gone", what)
	}
	guest := table.Instances[i]
	if !ipv4.Contains(guest.IPv4) || !ipv6.Contains(guest.IPv6) || guest.ID != instance.DeriveID(uid(n)) || guest.Hostname != guest.Name {
		t.Errorf("%s: %s has %v and %v, want addresses in %v and %v; instance-id %s", what, guest.Name, guest.IPv4, guest.IPv6, ipv4, ipv6, guest.ID)
	}
	return guest
}

func rests(table instance.Table, addr netip.Addr) bool {
	return slices.ContainsFunc(table.Resting, func(r instance.Resting) bool { return r.Addr == addr })
}

// TestRanges: a guest has an address of the host that has it. It changes when the
// guest has left the other host, and not before.
func TestRanges(t *testing.T) {
	_, a, b := ranged(t)
	both := []*host{a, b}
	web := dom(1, "web")
	a.register(t, started(1, "web"))
	first := wantIn(t, both, 1, "started on the first host", rangeA, rangeA6)
	b.register(t, started(2, "db"))
	wantIn(t, both, 2, "started on the second host", rangeB, rangeB6)

	a.observe(t, web, false)
	agree(t, both)
	b.register(t, started(1, "web"))
	second := wantIn(t, both, 1, "moved while it is off", rangeB, rangeB6)
	if table := agree(t, both); !rests(table, first.IPv4) || !rests(table, first.IPv6) {
		t.Errorf("%v and %v do not rest: %+v", first.IPv4, first.IPv6, table.Resting)
	}
	b.observe(t, web, true)
	if guest := wantIn(t, both, 1, "it runs there", rangeB, rangeB6); guest.IPv4 != second.IPv4 {
		t.Errorf("it has %v, and had %v at its start", guest.IPv4, second.IPv4)
	}

	a.register(t, receivedBy(web))
	if guest := wantIn(t, both, 1, "on its way back", rangeB, rangeB6); guest.HostID != "kvm1" || guest.IPv4 != second.IPv4 {
		t.Errorf("on its way it has %v, want %v: %+v", guest.IPv4, second.IPv4, guest.Home)
	}
	a.observe(t, web, false)
	if guest := wantIn(t, both, 1, "the migration has failed", rangeB, rangeB6); guest.HostID != "kvm2" || guest.IPv4 != second.IPv4 {
		t.Errorf("it has %v, want %v: %+v", guest.IPv4, second.IPv4, guest.Home)
	}
	a.register(t, receivedBy(web))
	agree(t, both)
	a.observe(t, web, true)
	if guest := wantIn(t, both, 1, "arrived", rangeA, rangeA6); guest.IPv4 != first.IPv4 || guest.IPv6 != first.IPv6 {
		t.Errorf("it is back with %v and %v, and had %v and %v there", guest.IPv4, guest.IPv6, first.IPv4, first.IPv6)
	}
}

// TestRangesOfOthers: a host that has another range, whether it knows that or not,
// leaves the addresses of other hosts alone.
func TestRangesOfOthers(t *testing.T) {
	for what, perHost := range map[string]bool{"it knows": true, "it does not know": false} {
		t.Run(what, func(t *testing.T) {
			_, a, b := ranged(t)
			both := []*host{a, b}
			b.register(t, started(1, "web"))
			b.observe(t, dom(1, "web"), true)
			b.register(t, started(2, "gone"))
			a.register(t, started(3, "own"))
			b.observe(t, dom(2, "gone"), false)
			if _, err := b.Release(t.Context(), "gone"); err != nil {
				t.Fatal(err)
			}
			before := agree(t, both)
			opts := rangedOptions("kvm1", netip.MustParsePrefix("10.0.3.0/24"), netip.MustParsePrefix("fd00:0:0:3::/64"))
			opts.Networks[0].PerHost = perHost
			a.Reconfigure(opts)
			if moved, err := a.Reattach(t.Context()); err != nil || moved != 1 {
				t.Errorf("%d guests have other addresses, want one: %v", moved, err)
			}
			a.replenish(t)
			others := only(before.Instances, func(guest instance.Instance) bool { return guest.Name == "web" })
			if _, err := a.Adopt(t.Context(), instance.Table{Instances: others}, true); err != nil {
				t.Error(err)
			}
			wantIn(t, both, 3, "a guest of this host", opts.Networks[0].IPv4, opts.Networks[0].IPv6)
			guest := wantIn(t, both, 1, "a guest of another host", rangeB, rangeB6)
			after := agree(t, both)
			for _, r := range before.Resting {
				if !rests(after, r.Addr) {
					t.Errorf("%v does not rest any more", r.Addr)
				}
			}
			if now, was := countSpares(after)[b.store.id], countSpares(before)[b.store.id]; now != was {
				t.Errorf("the other host has %d spare addresses, and had %d", now, was)
			}
			if !perHost {
				return
			}
			a.register(t, dom(1, "web"))
			if now := wantIn(t, both, 1, "registered by hand elsewhere", rangeB, rangeB6); now.IPv4 != guest.IPv4 {
				t.Errorf("it has %v, and had %v", now.IPv4, guest.IPv4)
			}
			if _, err := a.ForgetHost(t.Context(), "kvm2"); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Reattach(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantIn(t, both, 1, "of no host", rangeB, rangeB6)
			a.register(t, started(1, "web"))
			wantIn(t, both, 1, "started where the host was forgotten", opts.Networks[0].IPv4, opts.Networks[0].IPv6)
		})
	}
}

// TestRequestOutOfRange: a guest that requests an address of one host's range starts
// on all, and has the address there.
func TestRequestOutOfRange(t *testing.T) {
	_, a, b := ranged(t)
	both := []*host{a, b}
	fixed := started(1, "web", "ipv4", "10.0.1.77")
	if reg := a.register(t, fixed); reg.AddressProblem != nil || reg.Instance.IPv4.String() != "10.0.1.77" {
		t.Errorf("in range: %v, %v", reg.Instance.IPv4, reg.AddressProblem)
	}
	off := fixed
	off.Source = ""
	a.observe(t, off, false)
	agree(t, both)
	if reg := b.register(t, fixed); !errors.Is(reg.AddressProblem, denied.ErrAddressOutside) || !rangeB.Contains(reg.Instance.IPv4) {
		t.Errorf("out of range: %v, %v", reg.Instance.IPv4, reg.AddressProblem)
	}
	wantIn(t, both, 1, "on the other host", rangeB, rangeB6)
	b.observe(t, off, false)
	agree(t, both)
	if reg := a.register(t, fixed); reg.AddressProblem != nil || reg.Instance.IPv4.String() != "10.0.1.77" {
		t.Errorf("back in range: %v, %v", reg.Instance.IPv4, reg.AddressProblem)
	}
}

// TestMoveCutOff: while etcd is away, a guest that moves gets a spare address of its
// new host, or none if there is none. The old one rests when etcd is back.
func TestMoveCutOff(t *testing.T) {
	cluster, a, b := ranged(t)
	both := []*host{a, b}
	before := map[int]instance.Instance{}
	for n, name := range []string{1: "web1", 2: "web2", 3: "web3", 4: "web4", 5: "web5"} {
		if n > 0 {
			before[n] = a.register(t, started(n, name)).Instance
			a.observe(t, dom(n, name), false)
		}
	}
	agree(t, both)
	cluster.stop()
	without := 0
	for n, was := range before {
		reg := b.register(t, started(n, was.Name))
		switch {
		case !reg.Instance.Unshared || reg.Instance.ID != was.ID || reg.Instance.Hostname != was.Hostname:
			t.Errorf("%s: %+v", was.Name, reg.Instance)
		case errors.Is(reg.AddressProblem, storage.ErrAway) && !reg.Instance.IPv4.IsValid():
			without++
		case !rangeB.Contains(reg.Instance.IPv4) || !rangeB6.Contains(reg.Instance.IPv6):
			t.Errorf("%s has %v and %v: %v", was.Name, reg.Instance.IPv4, reg.Instance.IPv6, reg.AddressProblem)
		}
		if again := b.register(t, started(n, was.Name)); again.Instance.IPv4 != reg.Instance.IPv4 || again.Instance.IPv6 != reg.Instance.IPv6 {
			t.Errorf("%s has %v when it starts again, and had %v", was.Name, again.Instance.IPv4, reg.Instance.IPv4)
		}
		if guest, ok := b.Snapshot().ByUUID(uid(n)); !ok || rangeA.Contains(guest.IPv4) {
			t.Errorf("%s is served as %+v", was.Name, guest)
		}
	}
	if without != 1 { // each host has four spare addresses
		t.Errorf("%d guests have no address, want 1", without)
	}
	given := map[int]netip.Addr{}
	for n := range before {
		guest, _ := b.Snapshot().ByUUID(uid(n))
		given[n] = guest.IPv4
	}
	cluster.start()
	within(t, 10*time.Second, b.allShared)
	for n, was := range before {
		guest := wantIn(t, both, n, "shared", rangeB, rangeB6)
		if given[n].IsValid() && guest.IPv4 != given[n] {
			t.Errorf("%s has %v, and was given %v", was.Name, guest.IPv4, given[n])
		}
		if table := agree(t, both); !rests(table, was.IPv4) || !rests(table, was.IPv6) {
			t.Errorf("%s: %v and %v do not rest", was.Name, was.IPv4, was.IPv6)
		}
	}
}

// TestRangesCutOffOnTheWay: a guest that arrives while etcd is away.
func TestRangesCutOffOnTheWay(t *testing.T) {
	cluster, a, b := ranged(t)
	both := []*host{a, b}
	web := dom(1, "web")
	a.register(t, started(1, "web"))
	a.observe(t, web, true)
	first := wantIn(t, both, 1, "it runs", rangeA, rangeA6)
	cluster.stop()
	if reg := b.register(t, receivedBy(web)); reg.Instance.IPv4 != first.IPv4 {
		t.Errorf("on its way it has %v, want %v", reg.Instance.IPv4, first.IPv4)
	}
	b.observe(t, web, true)
	guest, _ := b.Snapshot().ByUUID(uid(1))
	if !rangeB.Contains(guest.IPv4) || guest.ID != first.ID {
		t.Errorf("arrived: %+v", guest)
	}
	given := guest.IPv4
	cluster.start()
	within(t, 10*time.Second, b.allShared)
	if guest := wantIn(t, both, 1, "shared", rangeB, rangeB6); guest.IPv4 != given {
		t.Errorf("it has %v, and was given %v", guest.IPv4, given)
	}
	if !rests(agree(t, both), first.IPv4) {
		t.Errorf("%v does not rest", first.IPv4)
	}
}

// TestRequestBesideShared: a requested address that no network of this host has is
// meant for the network with a range for each host. The guest that holds it elsewhere
// keeps it, although it is gone.
func TestRequestBesideShared(t *testing.T) {
	cluster := startEtcd(t)
	lan := instance.Network{Name: "lan", IPv4: netip.MustParsePrefix("10.9.0.0/24")}
	var both []*host
	for name, at := range map[string][2]netip.Prefix{"kvm1": {rangeA, rangeA6}, "kvm2": {rangeB, rangeB6}} {
		opts := rangedOptions(name, at[0], at[1])
		opts.Networks = append([]instance.Network{lan}, opts.Networks...)
		both = append(both, newHost(t, connect(t, cluster), opts))
	}
	a, b := both[0], both[1]
	if a.HostID() != "kvm1" {
		a, b = b, a
	}
	a.register(t, started(1, "holder", "ipv4", "10.0.1.77"))
	a.observe(t, dom(1, "holder", "ipv4", "10.0.1.77"), false)
	if _, err := a.Miss(t.Context(), uid(1), false); err != nil {
		t.Fatal(err)
	}
	agree(t, both)
	on2 := started(2, "web", "ipv4", "10.0.1.77")
	on2.Interfaces = append(on2.Interfaces, instance.Interface{MAC: instance.MAC{2, 9}, Network: "lan"})
	reg := b.register(t, on2)
	place, _ := reg.Instance.On("mds")
	if !errors.Is(reg.AddressProblem, denied.ErrAddressOutside) || !rangeB.Contains(place.IPv4) || len(reg.Yielded) > 0 {
		t.Errorf("%+v, %v, released early: %v", place, reg.AddressProblem, reg.Yielded)
	}
	if holder, ok := b.Snapshot().ByAddr(netip.MustParseAddr("10.0.1.77")); !ok || holder.Name != "holder" {
		t.Errorf("the address is that of %v", holder)
	}
}
