package draft_test

import (
	"net/netip"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
)

// onMDS is a domain whose interfaces are all on the network mds, with these
// MAC addresses.
func onMDS(n int, name string, macs ...int) instance.Domain {
	d := dom(n, name)
	d.Interfaces = nil
	for _, m := range macs {
		d.Interfaces = append(d.Interfaces, instance.Interface{MAC: mac(m), Network: "mds"})
	}
	return d
}

// addressesOf are the guest's IPv4 addresses by the number of their MAC address.
// Each interface has exactly one of each family.
func addressesOf(t *testing.T, guest instance.Instance, macs ...int) map[int]netip.Addr {
	t.Helper()
	places := guest.AllOn("mds")
	if len(places) != len(macs) {
		t.Fatalf("the guest has the places %+v, want %d", places, len(macs))
	}
	byMAC := map[int]netip.Addr{}
	seen := map[netip.Addr]bool{}
	for i, place := range places {
		if place.MAC != mac(macs[i]) || !place.IPv4.IsValid() || !place.IPv6.IsValid() || seen[place.IPv4] || seen[place.IPv6] {
			t.Fatalf("the guest has the places %+v", places)
		}
		seen[place.IPv4], seen[place.IPv6] = true, true
		byMAC[macs[i]] = place.IPv4
	}
	return byMAC
}

// Each interface on a network keeps its own address, whatever becomes of the
// others.
func TestInterfacesOnOneNetwork(t *testing.T) {
	store := storetest.NewMemory()
	l := labOn(t, store, withIPv6)
	registered := func(macs ...int) map[int]netip.Addr {
		t.Helper()
		return addressesOf(t, l.MustRegister(onMDS(1, "web", macs...)).Instance, macs...)
	}
	before := registered(1, 2)
	for _, m := range []int{1, 2} {
		if found, ok := l.Snapshot().ByAddr(before[m]); !ok || found.Name != "web" || len(l.Snapshot().ByMAC(mac(m))) != 1 {
			t.Errorf("interface %d is not found", m)
		}
	}
	same := func(what string, got map[int]netip.Addr, macs ...int) {
		t.Helper()
		for _, m := range macs {
			if got[m] != before[m] {
				t.Errorf("%s: interface %d has %v, had %v", what, m, got[m], before[m])
			}
		}
	}
	same("registered again", registered(1, 2), 1, 2)
	same("in another order", registered(2, 1), 1, 2)
	same("with a third in front", registered(3, 1, 2), 1, 2)
	same("without the first", registered(2), 2)
	if _, ok := l.Snapshot().ByAddr(before[1]); ok || l.RestingIDs()[before[1].String()] == "" {
		t.Error("the address of the interface that went does not rest")
	}
	same("the first is back", registered(1, 2), 1, 2)

	l.MustRelease("web")
	if rest := l.RestingIDs(); rest[before[1].String()] == "" || rest[before[2].String()] == "" {
		t.Errorf("resting: %v", rest)
	}
	same("defined again, in another order", registered(2, 1), 1, 2)

	l = labOn(t, store, withIPv6)
	guest, _ := l.Snapshot().ByName("web")
	same("after a restart", addressesOf(t, *guest, 2, 1), 1, 2)

	d := onMDS(2, "web", 5, 6) // the domain is made again, with new MAC addresses
	l.Refused(onMDS(3, "thief", 7, 1), denied.ErrMACInUse, mac(1).String())
	got := addressesOf(t, l.MustRegister(d).Instance, 5, 6)
	if got[5] != before[2] || got[6] != before[1] {
		t.Errorf("the new domain has %v, want what the former had: %v", got, before)
	}
}

// A wish in the metadata is for the first interface, even if another one of the
// guest has the address.
func TestWishForTheAddressOfAnotherInterface(t *testing.T) {
	l := newLab(t, withIPv6)
	before := addressesOf(t, l.MustRegister(onMDS(1, "web", 1, 2)).Instance, 1, 2)
	d := onMDS(1, "web", 1, 2)
	d.Metadata.Values = map[string]string{"ipv4": before[2].String()}
	if got := addressesOf(t, l.MustRegister(d).Instance, 1, 2); got[1] != before[2] {
		t.Errorf("asked for %v, got %v", before[2], got)
	}
}

// Where the addresses run out, a guest has its first ones and no address twice.
func TestInterfacesInFullNetwork(t *testing.T) {
	l := newLab(t, func(o *inventory.Options) {
		o.Networks[0].IPv4, o.Networks[0].Excluded = netip.MustParsePrefix("10.0.0.0/30"), nil
	})
	l.MustRegister(onMDS(1, "old", 1))
	l.MustRelease("old") // its address rests, and is taken last
	r := l.MustRegister(onMDS(2, "web", 2, 3, 4))
	places := r.Instance.AllOn("mds")
	if len(places) != 3 || !places[0].IPv4.IsValid() || !places[1].IPv4.IsValid() || places[0].IPv4 == places[1].IPv4 || places[2].IPv4.IsValid() {
		t.Errorf("places %+v", places)
	}
	if r.AddressProblem == nil {
		t.Error("nothing says that an address is missing")
	}
}

// A record of the time when only the first interface had an address gets the
// others' when it is opened again.
func TestOlderRecordWithTwoInterfaces(t *testing.T) {
	store := storetest.NewMemory()
	old := instance.Instance{ID: "i-1", Name: "web", Hostname: "web", UUID: uid(1), Network: "mds", MAC: mac(1),
		Interfaces: onMDS(1, "web", 1, 2).Interfaces, IPv4: netip.MustParseAddr("10.0.0.12")}
	if err := store.Apply(background(), []instance.Change{{Put: []instance.Instance{old}}}); err != nil {
		t.Fatal(err)
	}
	l := labOn(t, store, withIPv6)
	if n, err := l.Reattach(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d guests changed, %v", n, err)
	}
	guest, _ := l.Snapshot().ByName("web")
	if got := addressesOf(t, *guest, 1, 2); got[1] != old.IPv4 {
		t.Errorf("the first interface has %v, had %v", got[1], old.IPv4)
	}
}

// Interfaces without a MAC address of their own have no place of their own.
func TestInterfacesWithoutOwnMAC(t *testing.T) {
	l := newLab(t)
	d := onMDS(1, "web", 1, 1)
	d.Interfaces = append(d.Interfaces, instance.Interface{Network: "mds"})
	guest := l.MustRegister(d).Instance
	if places := guest.Attachments(); len(places) != 1 {
		t.Errorf("places %+v", places)
	}
}

// Every interface gets an address of the new range when the network changes.
func TestChangedRange(t *testing.T) {
	l := newLab(t, withIPv6)
	l.MustRegister(onMDS(1, "web", 1, 2))
	opts := l.Opts
	opts.Networks = []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.9.0.0/28"), IPv6: opts.Networks[0].IPv6}}
	l.Reconfigure(opts)
	if n, err := l.Reattach(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d guests changed, %v", n, err)
	}
	guest, _ := l.Snapshot().ByName("web")
	for m, addr := range addressesOf(t, *guest, 1, 2) {
		if !opts.Networks[0].IPv4.Contains(addr) {
			t.Errorf("interface %d has %v", m, addr)
		}
	}
}
