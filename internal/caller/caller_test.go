package caller

import (
	"net"
	"net/netip"
	"testing"

	"mdserver/internal/instance"
)

type guests map[netip.Addr]*instance.Instance

func (g guests) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	inst, ok := g[addr]
	return inst, ok
}

func TestIdentify(t *testing.T) {
	web := &instance.Instance{Name: "web"}
	known := guests{
		netip.MustParseAddr("10.122.0.5"):  web,
		netip.MustParseAddr("127.9.1.1"):   web,
		netip.MustParseAddr("fe80::5"):     web,
		netip.MustParseAddr("2001:db8::5"): web,
	}
	tests := []struct {
		name, remote string
		guest, local bool
	}{
		{"a guest", "10.122.0.5:4711", true, false},
		{"a guest through a dual-stack socket", "[::ffff:10.122.0.5]:4711", true, false},
		{"a guest by IPv6", "[2001:db8::5]:4711", true, false},
		{"a guest by link-local address", "[fe80::5%lo]:4711", true, false},
		{"a stranger", "10.122.0.6:4711", false, false},
		{"this host", "127.0.0.1:4711", false, true},
		{"this host by IPv6", "[::1]:4711", false, true},
		{"a guest that has a loopback address is no local caller", "127.9.1.1:4711", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Identify(t.Context(), tt.remote, known)
			if err != nil {
				t.Fatal(err)
			}
			if (c.Guest != nil) != tt.guest || c.IsLocal() != tt.local {
				t.Errorf("guest %v, local %v; want %v, %v", c.Guest != nil, c.IsLocal(), tt.guest, tt.local)
			}
		})
	}
	if _, err := Identify(t.Context(), "@", known); err == nil {
		t.Error("an address that is none was accepted")
	}
}

func TestIsLocalKnowsTheHostsOwnAddresses(t *testing.T) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		addr := netip.MustParsePrefix(a.String()).Addr()
		if c := (Caller{Addr: addr}); !c.IsLocal() {
			t.Errorf("%s is this host's, but counts as foreign", addr)
		}
	}
}
