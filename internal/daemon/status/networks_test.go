package status

import (
	"net/netip"
	"reflect"
	"testing"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/networks"
)

// TestDescribe checks that a network is described with what serves it, and with its own scope
// and families.
func TestDescribe(t *testing.T) {
	mds := instance.Network{Name: "mds", Bridge: "br-mds", IPv4: netip.MustParsePrefix("10.0.0.0/28"), IPv6: netip.MustParsePrefix("fd00::/64"), Domain: "example.net"}
	perHost := instance.Network{Name: "lan", IPv6: netip.MustParsePrefix("fd01::/64"), PerHost: true}
	dnsmasq, libvirt := &api.Dnsmasq{PID: 7}, &api.LibvirtNetwork{Entries: 3}
	one := inventorytest.Addrs("10.0.0.2", "10.0.0.4")
	enforced, lacking := api.PortSecurity{On: true, Guests: 2}, api.PortSecurity{On: true, Trouble: "no rights"}
	for _, tt := range []struct {
		served networks.Status
		ranges []instance.AddrRange
		ports  api.PortSecurity
		want   api.Network
	}{
		{networks.Status{Network: mds, Backend: "dnsmasq", Dnsmasq: dnsmasq}, []instance.AddrRange{one}, enforced,
			api.Network{Name: "mds", Backend: "dnsmasq", Bridge: "br-mds", IPv4: "10.0.0.0/28", IPv6: "fd00::/64", Domain: "example.net", Scope: "shared", Ranges: []string{"10.0.0.2-10.0.0.4"}, Dnsmasq: dnsmasq, PortSecurity: enforced}},
		{networks.Status{Network: perHost, Backend: "libvirt", Libvirt: libvirt, Trouble: "not active"}, nil, lacking,
			api.Network{Name: "lan", Backend: "libvirt", IPv6: "fd01::/64", Scope: "host", Libvirt: libvirt, PortSecurity: lacking, Trouble: "not active"}},
	} {
		if got := describe(tt.served, tt.ranges, tt.ports); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v, want %+v", got, tt.want)
		}
	}
}

// TestFree checks that libvirt's leases bound the number of free addresses, if leases are
// limited.
func TestFree(t *testing.T) {
	for _, tt := range []struct {
		name      string
		addresses int
		network   api.Network
		want      int
	}{
		{"dnsmasq", 9, api.Network{Used: 3}, 9},
		{"libvirt without a limit", 9, api.Network{Used: 3, Libvirt: &api.LibvirtNetwork{}}, 9},
		{"fewer leases than addresses", 9, api.Network{Used: 3, Libvirt: &api.LibvirtNetwork{Leases: 5}}, 2},
		{"fewer addresses than leases", 9, api.Network{Used: 3, Libvirt: &api.LibvirtNetwork{Leases: 50}}, 9},
		{"more guests than leases", 9, api.Network{Used: 7, Libvirt: &api.LibvirtNetwork{Leases: 5}}, 0},
	} {
		if got := free(tt.addresses, tt.network); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestNetworkTrouble checks that trouble with a network's server is reported before what port
// security lacks.
func TestNetworkTrouble(t *testing.T) {
	for _, tt := range []struct{ served, enforced, want string }{
		{"", "", ""},
		{"no bridge", "", "no bridge"},
		{"no bridge", "no rights", "no bridge"},
		{"", "no rights", "port security is not enforced: no rights"},
	} {
		if got := networkTrouble(tt.served, tt.enforced); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestPopulation checks that a guest counts on each of its networks, and that only IPv4
// addresses count as used, and only those that counts selects.
func TestPopulation(t *testing.T) {
	lab := inventorytest.New(t, inventorytest.WithIPv6, func(o *inventory.Options) {
		o.Networks = append(o.Networks, instance.Network{Name: "lan", IPv4: netip.MustParsePrefix("10.1.0.0/28")})
	})
	lab.MustRegister(inventorytest.Domain(1, "web"))
	both := inventorytest.Domain(2, "router")
	both.Interfaces = append(both.Interfaces, instance.Interface{MAC: inventorytest.MAC(40), Network: "lan"})
	lab.MustRegister(both)
	all := func(netip.Addr) bool { return true }
	for _, tt := range []struct {
		name, network string
		counts        func(netip.Addr) bool
		guests, used  int
	}{
		{"two guests", "mds", all, 2, 2},
		{"a guest's further network", "lan", all, 1, 1},
		{"another network", "none", all, 0, 0},
		{"no address counts", "mds", func(netip.Addr) bool { return false }, 2, 0},
		{"IPv4 addresses count", "mds", netip.Addr.Is4, 2, 2},
	} {
		if guests, used := population(lab.Snapshot(), tt.network, tt.counts); guests != tt.guests || used != tt.used {
			t.Errorf("%s: %d guests, %d addresses; want %d and %d", tt.name, guests, used, tt.guests, tt.used)
		}
	}
}

// TestCounted checks that addresses of other hosts do not count if each host has a range of
// its own.
func TestCounted(t *testing.T) {
	ranges := []instance.AddrRange{inventorytest.Addrs("10.0.0.2", "10.0.0.4"), inventorytest.Addrs("10.0.0.8", "10.0.0.14")}
	for addr, want := range map[string]bool{"10.0.0.1": false, "10.0.0.2": true, "10.0.0.5": false, "10.0.0.14": true, "10.0.0.15": false} {
		if got := countable(true, ranges)(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s of this host: %v, want %v", addr, got, want)
		}
		if !countable(false, ranges)(netip.MustParseAddr(addr)) {
			t.Errorf("%s, which all hosts have, does not count", addr)
		}
	}
}

// TestFirstDnsmasq checks that the status shows the dnsmasq of the first network that has one.
func TestFirstDnsmasq(t *testing.T) {
	one, other := api.Dnsmasq{Mode: api.DnsmasqChild, PID: 1}, api.Dnsmasq{Mode: api.DnsmasqChild, PID: 2}
	for _, tt := range []struct {
		name     string
		networks []api.Network
		want     api.Dnsmasq
	}{
		{"no network", nil, api.Dnsmasq{Mode: api.DnsmasqOff}},
		{"only a network of libvirt", []api.Network{{}}, api.Dnsmasq{Mode: api.DnsmasqOff}},
		{"on the second and the third network", []api.Network{{}, {Dnsmasq: &one}, {Dnsmasq: &other}}, one},
	} {
		if got := firstDnsmasq(tt.networks); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
