package metadata

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/instance"
)

// The interfaces of a failover pair have one MAC address; the addresses are
// those of one of them.
func TestFailoverPair(t *testing.T) {
	persistent := instance.Interface{MAC: mac1, Network: "mds"}
	transient := instance.Interface{MAC: mac1, Network: "sriov"}
	for name, nics := range map[string][]instance.Interface{
		"persistent first":    {persistent, transient},
		"transient first":     {transient, persistent},
		"both on one of ours": {persistent, persistent},
	} {
		t.Run(name, func(t *testing.T) {
			guest := testGuest()
			guest.Interfaces, guest.IPv6 = nics, netip.Addr{}
			var got []string
			for _, nic := range New(guest, testSite).Interfaces {
				if nic.IPv4.IsValid() || nic.Primary {
					got = append(got, nic.Network+" "+nic.IPv4.String())
				}
			}
			if diff := cmp.Diff([]string{"mds 10.122.0.5/16"}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// One MAC address on two networks of ours makes two interfaces, one of them the
// primary one.
func TestOneMACOnTwoNetworks(t *testing.T) {
	guest := testGuest()
	guest.IPv6 = netip.Addr{}
	guest.Interfaces = []instance.Interface{{MAC: mac1, Network: "lan"}, {MAC: mac1, Network: "mds"}}
	guest.Further = []instance.Attachment{{Network: "lan", MAC: mac1, IPv4: netip.MustParseAddr("10.50.0.5")}}
	nics := New(guest, testSite).Interfaces
	if len(nics) != 2 || nics[0].IPv4.String() != "10.50.0.5/24" || nics[0].Primary || nics[1].IPv4.String() != "10.122.0.5/16" || !nics[1].Primary {
		t.Errorf("interfaces %+v", nics)
	}
}
