package draft_test

import (
	"errors"
	"net/netip"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
)

var lan = instance.Network{Name: "lan", Bridge: "br-lan", IPv4: netip.MustParsePrefix("10.50.0.0/29"),
	Excluded: []instance.AddrRange{addrs("10.50.0.1", "10.50.0.1")}}

func withLAN(o *inventory.Options) { o.Networks = append(o.Networks, lan) }

// onBoth is dom(n) with a further interface on the bridge of the network lan.
func onBoth(n int, name string, meta ...string) instance.Domain {
	d := dom(n, name, meta...)
	d.Interfaces[0].Bridge = "br-lan"
	return d
}

func placeOn(t *testing.T, guest instance.Instance, network string, n int) instance.Attachment {
	t.Helper()
	place, ok := guest.On(network)
	if !ok || place.MAC != mac(n) || !place.IPv4.IsValid() {
		t.Fatalf("on %s the guest has %+v", network, place)
	}
	return place
}

func TestGuestOnTwoNetworks(t *testing.T) {
	l := newLab(t, withLAN)
	guest := l.MustRegister(onBoth(1, "web")).Instance
	mds, onLAN := placeOn(t, guest, "mds", 1), placeOn(t, guest, "lan", 1<<20+1)
	if guest.Network != "mds" || !lan.IPv4.Contains(onLAN.IPv4) {
		t.Errorf("guest %+v", guest)
	}
	for _, addr := range []netip.Addr{mds.IPv4, onLAN.IPv4} {
		if found, ok := l.Snapshot().ByAddr(addr); !ok || found.Name != "web" {
			t.Errorf("%v is %v's", addr, found)
		}
	}
	if found := l.Snapshot().ByMAC(onLAN.MAC); len(found) != 1 || found[0].Name != "web" {
		t.Errorf("the second MAC is %v's", found)
	}
	other := onBoth(2, "other")
	other.Interfaces[0].MAC = onLAN.MAC
	l.Refused(other, denied.ErrMACInUse, onLAN.MAC.String())
	if again := l.MustRegister(onBoth(1, "web")).Instance; placeOn(t, again, "lan", 1<<20+1) != onLAN {
		t.Errorf("registered again: %+v", again)
	}
	l.MustRelease("web")
	if rest := l.RestingIDs(); rest[mds.IPv4.String()] == "" || rest[onLAN.IPv4.String()] == "" {
		t.Errorf("resting: %v", rest)
	}
	back := l.MustRegister(onBoth(1, "web")).Instance
	if placeOn(t, back, "lan", 1<<20+1) != onLAN || back.IPv4 != mds.IPv4 {
		t.Errorf("returned: %+v", back)
	}
}

func TestWishOnTheSecondNetwork(t *testing.T) {
	l := newLab(t, withLAN)
	guest := l.MustRegister(onBoth(1, "web", "ipv4", "10.50.0.5")).Instance
	if place := placeOn(t, guest, "lan", 1<<20+1); place.IPv4.String() != "10.50.0.5" || !guest.IPv4.IsValid() {
		t.Errorf("guest %+v", guest)
	}
	l.Refused(onBoth(2, "other", "ipv4", "10.50.0.1"), denied.ErrAddressOutside, `"lan"`, "reserved")
	l.Refused(onBoth(2, "other", "ipv4", "10.60.0.1"), denied.ErrAddressOutside, `"mds"`)
}

// A guest on the second network alone has it for its first.
func TestGuestOnTheSecondNetworkOnly(t *testing.T) {
	l := newLab(t, withLAN)
	d := dom(1, "web")
	d.Interfaces = []instance.Interface{{MAC: mac(1), Network: "lan"}}
	if guest := l.MustRegister(d).Instance; guest.Network != "lan" || !lan.IPv4.Contains(guest.IPv4) || guest.Further != nil {
		t.Errorf("guest %+v", guest)
	}
	d.Interfaces[0].Network = "elsewhere"
	d.UUID, d.Name = uid(2), "other"
	l.Refused(d, denied.ErrNoInterface, `"mds" or "lan"`, `"elsewhere"`)
}

// A record of the time when there was one network keeps its addresses.
func TestOlderRecord(t *testing.T) {
	store := storetest.NewMemory()
	old := instance.Instance{ID: "i-1", Name: "web", Hostname: "web", UUID: uid(1), MAC: mac(1),
		Interfaces: []instance.Interface{{MAC: mac(1), Network: "mds"}}, IPv4: netip.MustParseAddr("10.0.0.12")}
	if err := store.Apply(background(), []instance.Change{{Put: []instance.Instance{old}}}); err != nil {
		t.Fatal(err)
	}
	l := labOn(t, store, withLAN)
	guest, _ := l.Snapshot().ByName("web")
	if place, ok := guest.On("mds"); !ok || place.IPv4 != old.IPv4 {
		t.Errorf("opened: %+v", guest)
	}
	again := l.MustRegister(onBoth(1, "web")).Instance
	if again.IPv4 != old.IPv4 || again.ID != old.ID {
		t.Errorf("registered again: %+v", again)
	}
}

func TestNetworkComesAndGoes(t *testing.T) {
	l := newLab(t)
	before := l.MustRegister(onBoth(1, "web")).Instance
	l.MustRegister(dom(2, "other"))
	if before.Further != nil {
		t.Fatalf("guest %+v", before)
	}
	moved := func(want int, networks ...instance.Network) instance.Instance {
		t.Helper()
		opts := l.Opts
		opts.Networks = networks
		l.Reconfigure(opts)
		n, err := l.Reattach(t.Context())
		if err != nil || n != want {
			t.Fatalf("%d guests changed, %v; want %d", n, err, want)
		}
		guest, _ := l.Snapshot().ByName("web")
		return *guest
	}
	mds := l.Opts.Networks[0]
	with := moved(1, mds, lan)
	place := placeOn(t, with, "lan", 1<<20+1)
	if with.IPv4 != before.IPv4 || with.ID != before.ID {
		t.Errorf("with a second network: %+v", with)
	}
	if without := moved(1, mds); without.Further != nil || without.IPv4 != before.IPv4 {
		t.Errorf("without it again: %+v", without)
	}
	if _, ok := l.Snapshot().ByAddr(place.IPv4); ok || l.RestingIDs()[place.IPv4.String()] == "" {
		t.Error("the address on the network that went does not rest")
	}
	if back := moved(1, mds, lan); placeOn(t, back, "lan", 1<<20+1) != place {
		t.Errorf("with it again: %+v", back)
	}
	if alone := moved(1, lan); alone.Network != "lan" || alone.IPv4 != place.IPv4 || alone.Further != nil {
		t.Errorf("the first network went: %+v", alone)
	}
	if lost := moved(0); lost.IPv4 != place.IPv4 {
		t.Errorf("without any network: %+v", lost)
	}
}

// While nobody knows what addresses a network has, guests keep theirs.
func TestPendingNetwork(t *testing.T) {
	l := newLab(t, withLAN)
	place := placeOn(t, l.MustRegister(onBoth(1, "web")).Instance, "lan", 1<<20+1)
	opts := l.Opts
	opts.Networks = []instance.Network{opts.Networks[0], {Name: "lan", Bridge: "br-lan", Pending: true}}
	l.Reconfigure(opts)
	if again := l.MustRegister(onBoth(1, "web")).Instance; placeOn(t, again, "lan", 1<<20+1) != place {
		t.Errorf("registered again: %+v", again)
	}
	fresh := l.MustRegister(onBoth(2, "new")).Instance
	if waiting, ok := fresh.On("lan"); !ok || waiting.IPv4.IsValid() {
		t.Errorf("a new guest has %+v", waiting)
	}
	l.Reconfigure(l.Opts)
	if n, err := l.Reattach(t.Context()); n != 1 || err != nil {
		t.Errorf("%d guests changed, %v", n, err)
	}
	guest, _ := l.Snapshot().ByName("new")
	placeOn(t, *guest, "lan", 1<<20+2)
}

// What the network's DHCP server has leased by itself goes to nobody else.
func TestLeasedAddresses(t *testing.T) {
	leased := map[netip.Addr]instance.MAC{}
	l := newLab(t, func(o *inventory.Options) {
		o.Networks = []instance.Network{lan}
		for i := 2; i <= 5; i++ { // of .2 to .6
			leased[netip.AddrFrom4([4]byte{10, 50, 0, byte(i)})] = mac(100 + i)
		}
		o.Networks[0].Leased = leased
	})
	d := onBoth(1, "web")
	if got := l.MustRegister(d).Instance.IPv4.String(); got != "10.50.0.6" {
		t.Errorf("got %s", got)
	}
	own := onBoth(2, "own")
	own.Interfaces[0].MAC = mac(103)
	if got := l.MustRegister(own).Instance.IPv4.String(); got != "10.50.0.3" {
		t.Errorf("the holder of a lease got %s", got)
	}
	if r := l.MustRegister(onBoth(3, "late")); r.Instance.IPv4.IsValid() || r.AddressProblem == nil {
		t.Errorf("in a full network: %+v", r.Instance)
	}
	l.Refused(onBoth(4, "wish", "ipv4", "10.50.0.4"), denied.ErrAddressOutside, "leased by libvirt to "+mac(104).String())
}

// One MAC address on two networks that are apart gives a place on each; the
// other interface of a failover pair gives none.
func TestOneMACOnTwoNetworks(t *testing.T) {
	l := newLab(t, withLAN)
	d := dom(1, "web")
	d.Interfaces = []instance.Interface{{MAC: mac(1), Network: "sriov"}, {MAC: mac(1), Bridge: "br-lan"}, {MAC: mac(1), Network: "mds"}, {MAC: mac(1), Network: "mds"}}
	guest := l.MustRegister(d).Instance
	if mds, onLAN := placeOn(t, guest, "mds", 1), placeOn(t, guest, "lan", 1); len(guest.Attachments()) != 2 || mds.IPv4 == onLAN.IPv4 {
		t.Errorf("places %+v", guest.Attachments())
	}
	if again := l.MustRegister(d).Instance; again.IPv4 != guest.IPv4 || len(again.Attachments()) != 2 {
		t.Errorf("registered again: %+v", again)
	}
	other := dom(2, "other")
	other.Interfaces[1].MAC = mac(1)
	l.Refused(other, denied.ErrMACInUse)
	l.MustRelease("web")
	if len(l.Snapshot().ByMAC(mac(1))) > 0 {
		t.Error("the MAC address is still somebody's")
	}
}

// onOne is a domain with one interface, which has the MAC address of all others.
func onOne(n int, name, network string) instance.Domain {
	d := dom(n, name)
	d.Interfaces = []instance.Interface{{MAC: mac(1), Network: network}}
	return d
}

// Two guests may have one MAC address if they are on different networks.
func TestOneMACOfTwoGuests(t *testing.T) {
	store := storetest.NewMemory()
	l := labOn(t, store, withLAN)
	web, db := l.MustRegister(onOne(1, "web", "mds")).Instance, l.MustRegister(onOne(2, "db", "lan")).Instance
	if placeOn(t, web, "mds", 1).IPv4 == placeOn(t, db, "lan", 1).IPv4 {
		t.Errorf("one address: %v", web.IPv4)
	}
	if found := l.Snapshot().ByMAC(mac(1)); len(found) != 2 {
		t.Errorf("by MAC address: %v", found)
	}
	if _, err := l.Snapshot().Find(mac(1).String()); !errors.Is(err, denied.ErrAmbiguous) {
		t.Errorf("the MAC address means one guest: %v", err)
	}
	l.Refused(onOne(3, "third", "mds"), denied.ErrMACInUse, "web")
	l.Refused(onOne(3, "third", "lan"), denied.ErrMACInUse, "db")
	l.Refused(onOne(2, "db", "mds"), denied.ErrMACInUse, "web") // it moves to the other network

	l.MustRelease("web")
	if found := l.Snapshot().ByMAC(mac(1)); len(found) != 1 || found[0].Name != "db" {
		t.Errorf("after one is gone: %v", found)
	}
	l.MustRegister(onOne(1, "web", "mds"))
	l = labOn(t, store, withLAN) // as after a restart
	l.Refused(onOne(3, "third", "lan"), denied.ErrMACInUse, "db")
}

// A guest of a network that is no longer served keeps its MAC address: the
// network may be one that is served by another name.
func TestMACOfGuestOnForgottenNetwork(t *testing.T) {
	store := storetest.NewMemory()
	labOn(t, store, withLAN).MustRegister(onOne(1, "old", "lan"))
	l := labOn(t, store)
	l.Refused(onOne(2, "new", "mds"), denied.ErrMACInUse, "old")
}
