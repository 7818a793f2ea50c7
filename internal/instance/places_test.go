package instance

import (
	"fmt"
	"net/netip"
	"testing"
)

// Each place is one interface's, also where interfaces share a MAC address.
func TestPlaces(t *testing.T) {
	m, other := MAC{0x52, 0x54, 0, 0, 0, 1}, MAC{0x52, 0x54, 0, 0, 0, 2}
	nic := func(mac MAC, network, bridge string) Interface {
		return Interface{MAC: mac, Network: network, Bridge: bridge, Target: network + bridge}
	}
	at := func(network string, mac MAC, addr string) Attachment {
		return Attachment{Network: network, MAC: mac, IPv4: netip.MustParseAddr(addr)}
	}
	mds, lan := at("mds", m, "10.122.0.2"), at("lan", m, "10.50.0.2")
	for name, tt := range map[string]struct {
		nics   []Interface
		places []Attachment
		want   string // the networks of the places, by interface
	}{
		"one":                           {[]Interface{nic(m, "mds", "")}, []Attachment{mds}, "[mds]"},
		"failover pair":                 {[]Interface{nic(m, "mds", ""), nic(m, "sriov", "")}, []Attachment{mds}, "[mds ]"},
		"failover pair, the other way":  {[]Interface{nic(m, "sriov", ""), nic(m, "mds", "")}, []Attachment{mds}, "[ mds]"},
		"failover pair on one network":  {[]Interface{nic(m, "mds", ""), nic(m, "mds", "")}, []Attachment{mds}, "[mds ]"},
		"network of another name":       {[]Interface{nic(m, "sriov", ""), nic(m, "alias", "br-mds")}, []Attachment{mds}, "[ mds]"},
		"hostdev without a network":     {[]Interface{nic(m, "", ""), nic(m, "", "br-mds")}, []Attachment{mds}, "[ mds]"},
		"one MAC on two networks":       {[]Interface{nic(m, "lan", ""), nic(m, "mds", "")}, []Attachment{mds, lan}, "[lan mds]"},
		"two networks":                  {[]Interface{nic(other, "lan", ""), nic(m, "mds", "")}, []Attachment{mds, at("lan", other, "10.50.0.2")}, "[lan mds]"},
		"an interface that went":        {[]Interface{nic(other, "lan", "")}, []Attachment{mds}, "[]"},
		"no interface on record":        {nil, []Attachment{mds}, "[]"},
		"a record from before networks": {[]Interface{nic(m, "default", "")}, []Attachment{at("", m, "10.122.0.2")}, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			guest := &Instance{Interfaces: tt.nics}
			guest.Attach(tt.places)
			var networks []string
			for k, place := range guest.Places() {
				networks = append(networks, place.Network)
				if place != (Attachment{}) && guest.Target(place) != tt.nics[k].Target {
					t.Errorf("the host's end of %s is %q, want %q", place.Network, guest.Target(place), tt.nics[k].Target)
				}
			}
			if got := fmt.Sprint(networks); got != tt.want {
				t.Errorf("the interfaces have the places %s, want %s", got, tt.want)
			}
		})
	}
}

func TestEffectiveMTU(t *testing.T) {
	for _, tt := range []struct{ nic, network, want int }{
		{0, 0, 0}, {0, 1450, 1450}, {1400, 0, 1400}, {1400, 1450, 1400}, {9000, 1450, 9000}, {60, 1450, 1450}, {60, 0, 0},
	} {
		if got := EffectiveMTU(tt.nic, tt.network); got != tt.want {
			t.Errorf("interface %d, network %d: %d, want %d", tt.nic, tt.network, got, tt.want)
		}
	}
}
