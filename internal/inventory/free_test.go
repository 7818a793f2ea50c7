package inventory_test

import (
	"fmt"
	"net/netip"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storage"
)

// What is free is what guests can be given: it falls with each of them to 0.
func TestFree(t *testing.T) {
	l := newLab(t)
	for n := range 10 { // 16 - network, broadcast, gateway, 3 reserved
		if got := l.Free("mds"); got != 10-n {
			t.Errorf("%d guests: %d addresses are free, want %d", n, got, 10-n)
		}
		l.MustRegister(dom(n, fmt.Sprint("g", n)))
	}
	if got := l.Free("mds"); got != 0 {
		t.Errorf("the network is full, but %d addresses are free", got)
	}
	l.MustRelease("g3")
	if got := l.Free("mds"); got != 1 {
		t.Errorf("%d addresses are free, want the one in quarantine", got)
	}
	if got := l.Free("absent"); got != 0 {
		t.Errorf("an unknown network has %d free addresses", got)
	}
}

func TestFreeOfOtherNetworks(t *testing.T) {
	for prefix, want := range map[string]int{
		"10.0.0.0/24": 250, "10.0.0.4/30": 0, "10.0.0.2/31": 2, "10.0.0.8/32": 1, "10.0.0.5/32": 0, "0.0.0.0/0": 1<<32 - 6, "fd00::/64": 0,
	} {
		l := newLab(t, func(o *inventory.Options) {
			o.Networks[0].IPv4, o.Networks[0].IPv6 = netip.Prefix{}, netip.Prefix{}
			if p := netip.MustParsePrefix(prefix); p.Addr().Is4() {
				o.Networks[0].IPv4 = p
			} else {
				o.Networks[0].IPv6 = p
			}
		})
		if got := l.Free("mds"); got != want {
			t.Errorf("%s: %d addresses are free, want %d", prefix, got, want)
		}
	}
}

// A withheld address and a lease of the network's own server are not free.
func TestFreeWithoutWithheldAndLeased(t *testing.T) {
	l := newLab(t, func(o *inventory.Options) {
		o.Withheld = []storage.Withheld{{UUID: uid(9), Name: "lost", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.9.9.9")}}}
		o.Networks[0].Leased = map[netip.Addr]instance.MAC{netip.MustParseAddr("10.0.0.10"): mac(3)}
	})
	if got := l.Free("mds"); got != 8 {
		t.Errorf("%d addresses are free, want 8", got)
	}
}

// The ranges of a network are what is left between its reserved addresses.
func TestRanges(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.0.0.0/28": "[10.0.0.2-10.0.0.4 10.0.0.8-10.0.0.14]",
		"10.0.0.0/30": "[10.0.0.2]",
		"10.0.0.4/30": "[]",
		"10.0.0.2/31": "[10.0.0.2-10.0.0.3]",
		"10.0.0.8/32": "[10.0.0.8]",
		"0.0.0.0/0":   "[0.0.0.1-10.0.0.0 10.0.0.2-10.0.0.4 10.0.0.8-255.255.255.254]",
		"fd00::/64":   "[]",
	} {
		l := newLab(t, func(o *inventory.Options) {
			o.Networks[0].IPv4, o.Networks[0].IPv6 = netip.Prefix{}, netip.Prefix{}
			if p := netip.MustParsePrefix(prefix); p.Addr().Is4() {
				o.Networks[0].IPv4 = p
			} else {
				o.Networks[0].IPv6 = p
			}
		})
		if got := fmt.Sprint(l.Ranges("mds")); got != want {
			t.Errorf("%s: the ranges are %s, want %s", prefix, got, want)
		}
	}
}
