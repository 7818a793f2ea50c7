package database

import (
	"net/netip"
	"slices"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

// The answer reports addresses that no network of this host has, unless only libvirt
// or another host knows the network's addresses.
func TestMisfits(t *testing.T) {
	cfg := &config.Config{Networks: []config.Network{
		{Name: "mds", Backend: config.BackendDnsmasq, Network: netip.MustParsePrefix("10.122.0.0/16"), Network6: netip.MustParsePrefix("fd00:122::/64")},
		{Name: "default", Backend: config.BackendLibvirt},
		{Name: "own", Backend: config.BackendDnsmasq, Network: netip.MustParsePrefix("10.50.0.0/24"), Scope: config.ScopeHost},
	}}
	fleet := *cfg
	fleet.Store.Backend = config.BackendEtcd
	on := func(network string, addrs ...string) instance.Attachment {
		place := instance.Attachment{Network: network, IPv4: netip.MustParseAddr(addrs[0])}
		if len(addrs) > 1 {
			place.IPv6 = netip.MustParseAddr(addrs[1])
		}
		return place
	}
	for _, tt := range []struct {
		name   string
		cfg    *config.Config
		places []instance.Attachment
		want   []string
	}{
		{"all fit", cfg, []instance.Attachment{on("mds", "10.122.0.2", "fd00:122::2"), on("own", "10.50.0.2")}, nil},
		{"an IPv4 address is outside", cfg, []instance.Attachment{on("mds", "10.123.0.2", "fd00:122::2")},
			[]string{`its address 10.123.0.2 is outside the network "mds"`}},
		{"an IPv6 address is outside", cfg, []instance.Attachment{on("mds", "10.122.0.2", "fd00:123::2")},
			[]string{`its address fd00:123::2 is outside the network "mds"`}},
		{"both are, and those of another interface", cfg, []instance.Attachment{on("mds", "10.123.0.2", "fd00:123::2"), on("own", "10.51.0.2")},
			[]string{`its address 10.123.0.2 is outside the network "mds"`, `its address fd00:123::2 is outside the network "mds"`, `its address 10.51.0.2 is outside the network "own"`}},
		{"a network is not configured", cfg, []instance.Attachment{on("lab", "10.122.0.2"), on("mds", "10.123.0.2")},
			[]string{`its network "lab" is not configured`, `its address 10.123.0.2 is outside the network "mds"`}},
		{"libvirt knows the addresses", cfg, []instance.Attachment{on("default", "192.168.122.2"), on("mds", "10.123.0.2")},
			[]string{`its address 10.123.0.2 is outside the network "mds"`}},
		{"a network of each host, on one host", cfg, []instance.Attachment{on("own", "10.51.0.2")}, []string{`its address 10.51.0.2 is outside the network "own"`}},
		{"a network of each host, on several", &fleet, []instance.Attachment{on("own", "10.51.0.2"), on("mds", "10.123.0.2")},
			[]string{`its address 10.123.0.2 is outside the network "mds"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := tt.places[0]
			guest := instance.Instance{Network: first.Network, IPv4: first.IPv4, IPv6: first.IPv6, Further: tt.places[1:]}
			if got := Misfits(tt.cfg, &guest); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
