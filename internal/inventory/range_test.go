package inventory_test

import (
	"errors"
	"net/netip"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
)

// ranges are those of the hosts, of the network mds.
var ranges = map[string][2]netip.Prefix{
	"a": {netip.MustParsePrefix("10.0.1.0/28"), netip.MustParsePrefix("fd00:0:0:1::/64")},
	"b": {netip.MustParsePrefix("10.0.2.0/28"), netip.MustParsePrefix("fd00:0:0:2::/64")},
}

// newRangedFleet gives hosts with a range each.
func newRangedFleet(t *testing.T) *fleet {
	f := newFleet(t)
	f.options = withRange
	return f
}

func withRange(host string, o *inventory.Options) {
	o.Networks = []instance.Network{{Name: "mds", IPv4: ranges[host][0], IPv6: ranges[host][1], PerHost: true}}
}

// rangeOf is the host whose range has an address of each family of a guest.
func rangeOf(guest *instance.Instance) string {
	for host, prefixes := range ranges {
		if prefixes[0].Contains(guest.IPv4) && prefixes[1].Contains(guest.IPv6) {
			return host
		}
	}
	return "none"
}

// Each step is what a host says, and the host whose range the guest's addresses are in
// then. The addresses that it had before rest, and it gets them back with the range.
func TestRangeOfEachHost(t *testing.T) {
	type steps [][3]string
	for name, test := range map[string]steps{
		"moved while off":     {{"a", "starts", "a"}, {"a", "defines", "a"}, {"b", "starts", "b"}, {"b", "runs", "b"}, {"b", "defines", "b"}, {"a", "starts", "a"}},
		"migrated":            {{"a", "runs", "a"}, {"b", "receives", "a"}, {"b", "starts", "a"}, {"b", "runs", "b"}, {"a", "receives", "b"}, {"a", "runs", "a"}},
		"migration fails":     {{"a", "runs", "a"}, {"b", "receives", "a"}, {"b", "defines", "a"}, {"a", "runs", "a"}},
		"its host dies":       {{"a", "runs", "a"}, {"a", "dies", "a"}, {"b", "starts", "b"}},
		"by hand elsewhere":   {{"a", "runs", "a"}, {"b", "tells", "a"}},
		"of no host":          {{"a", "runs", "a"}, {"b", "forgets a", "a"}, {"b", "tells", "a"}, {"b", "runs", "b"}},
		"registered nowhere":  {{"b", "tells", "b"}, {"a", "tells", "b"}, {"a", "starts", "a"}},
		"registered and away": {{"a", "runs", "a"}, {"a", "sends", "a"}, {"b", "defines", "a"}, {"b", "runs", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newRangedFleet(t)
			had := map[string]netip.Addr{}
			for i, step := range test {
				f.do(step[0], step[1])
				guest, _ := f.Snapshot().ByUUID(uid(1))
				in := rangeOf(guest)
				if in != step[2] || guest.ID != instance.DeriveID(uid(1)) {
					t.Fatalf("step %d, %s %s: %v and %v, want the range of %s", i+1, step[0], step[1], guest.IPv4, guest.IPv6, step[2])
				}
				if former, ok := had[in]; ok && former != guest.IPv4 {
					t.Errorf("step %d: it has %v there, and had %v", i+1, guest.IPv4, former)
				}
				had[in] = guest.IPv4
				if rests := f.RestingIDs(); len(rests) != 2*(len(had)-1) {
					t.Errorf("step %d: the addresses %v rest", i+1, rests)
				}
			}
		})
	}
}

// A host whose networks change gives other addresses to its own guests alone.
func TestReattachInRanges(t *testing.T) {
	f := newRangedFleet(t)
	for n, host := range map[int]string{2: "a", 3: "b"} {
		f.on(host)
		f.MustObserve(dom(n, "web"+host), true)
	}
	f.on("b")
	f.MustRegister(dom(4, "none"))
	opts := f.Opts
	withRange("b", &opts)
	opts.HostID = "b"
	opts.Networks[0].IPv4 = netip.MustParsePrefix("10.0.3.0/28")
	f.Reconfigure(opts)
	if n, err := f.Reattach(background()); n != 1 || err != nil {
		t.Errorf("%d guests have other addresses, want 1: %v", n, err)
	}
	for n, want := range map[int]string{2: "10.0.1.0/28", 3: "10.0.3.0/28", 4: "10.0.2.0/28"} {
		if guest, _ := f.Snapshot().ByUUID(uid(n)); !netip.MustParsePrefix(want).Contains(guest.IPv4) {
			t.Errorf("%s has %v, want one of %s", guest.Name, guest.IPv4, want)
		}
	}
}

// A guest that requests an address of one host's range starts on each, and has the
// address there.
func TestRequestOutOfRange(t *testing.T) {
	lan := instance.Network{Name: "lan", IPv4: netip.MustParsePrefix("10.9.0.0/28")}
	for _, tt := range []struct {
		name   string
		beside []instance.Network
		meta   []string
		want   netip.Addr
	}{
		{"IPv4", nil, []string{"ipv4", "10.0.1.9"}, netip.MustParseAddr("10.0.1.9")},
		{"IPv6", nil, []string{"ipv6", "fd00:0:0:1::9"}, netip.MustParseAddr("fd00:0:0:1::9")},
		{"beside a shared network", []instance.Network{lan}, []string{"ipv4", "10.0.1.9"}, netip.MustParseAddr("10.0.1.9")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newRangedFleet(t)
			f.options = func(host string, o *inventory.Options) {
				withRange(host, o)
				o.Networks = append(tt.beside, o.Networks...)
			}
			d := dom(1, "web", tt.meta...)
			d.Interfaces = append(d.Interfaces, instance.Interface{MAC: mac(99), Network: "lan"})
			for _, host := range []string{"a", "b", "a"} {
				f.on(host)
				d.Source = instance.ByHook
				reg := f.MustRegister(d)
				d.Source = ""
				f.MustObserve(d, false)
				place, _ := reg.Instance.On("mds")
				if has := place.IPv4 == tt.want || place.IPv6 == tt.want; has != (host == "a") || has != (reg.AddressProblem == nil) {
					t.Errorf("on %s it has %v and %v: %v", host, place.IPv4, place.IPv6, reg.AddressProblem)
				}
				if reg.AddressProblem != nil && !errors.Is(reg.AddressProblem, denied.ErrAddressOutside) {
					t.Error(reg.AddressProblem)
				}
				guest := instance.Instance{IPv4: place.IPv4, IPv6: place.IPv6}
				if rangeOf(&guest) != host {
					t.Errorf("on %s it has %v and %v", host, place.IPv4, place.IPv6)
				}
			}
		})
	}
}

// A guest of another host that is gone keeps an address that is not in the range of
// this one, whoever requests it, also beside a network that all hosts share.
func TestRequestOfARangeTakesNothing(t *testing.T) {
	f := newFleet(t)
	f.options = func(host string, o *inventory.Options) {
		withRange(host, o)
		o.Networks = append([]instance.Network{{Name: "lan", IPv4: netip.MustParsePrefix("10.9.0.0/28")}}, o.Networks...)
	}
	requests := func(n int, name string) instance.Domain {
		d := dom(n, name, "ipv4", "10.0.1.9")
		d.Interfaces = append(d.Interfaces, instance.Interface{MAC: mac(100 + n), Network: "lan"})
		return d
	}
	f.on("a")
	f.MustObserve(requests(2, "holder"), true)
	f.MustMiss(2, false)
	f.on("b")
	if reg := f.MustRegister(requests(1, "web")); len(reg.Yielded) > 0 {
		t.Errorf("released: %+v", reg.Yielded)
	}
	f.on("a")
	if reg := f.MustRegister(requests(3, "db")); len(reg.Yielded) != 1 {
		t.Errorf("released in its own range: %+v", reg.Yielded)
	}
}
