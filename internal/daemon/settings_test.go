package daemon

import (
	"net/netip"
	"testing"
)

// No guest may get the address of the gateway, of the server, of this host, or
// a reserved one.
func TestExcludedAddresses(t *testing.T) {
	cfg := load(t, `[mdserver]
listen_address = 10.122.0.2
[dnsmasq]
listen_address = 10.122.0.3
reserved = 10.122.9.0/24, 10.122.1.5-10.122.1.7
net_address6 = fd00:122::
`)
	ranges := excluded(cfg)
	for addr, want := range map[string]bool{
		"10.122.0.1": true, "10.122.0.2": true, "10.122.0.3": true, "127.0.0.1": true, "fd00:122::1": true,
		"10.122.9.77": true, "10.122.1.6": true, "10.122.1.8": false, "10.122.0.4": false, "fd00:122::2": false,
	} {
		got := false
		for _, r := range ranges {
			got = got || r.Contains(netip.MustParseAddr(addr))
		}
		if got != want {
			t.Errorf("%s excluded: %v, want %v", addr, got, want)
		}
	}
}
