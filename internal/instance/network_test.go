package instance

import (
	"net/netip"
	"regexp"
	"testing"
)

func TestAddrRangeContains(t *testing.T) {
	r := AddrRange{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.9")}
	for text, want := range map[string]bool{
		"10.0.0.4": false, "10.0.0.5": true, "10.0.0.7": true, "10.0.0.9": true, "10.0.0.10": false,
		"::ffff:10.0.0.7": false, "fd00::7": false,
	} {
		if got := r.Contains(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s in %v: %v, want %v", text, r, got, want)
		}
	}
	if r.Contains(netip.Addr{}) {
		t.Error("the zero address is in a range")
	}
}

func TestNetworkPrefix(t *testing.T) {
	n := Network{IPv4: netip.MustParsePrefix("10.0.0.0/8"), IPv6: netip.MustParsePrefix("fd00::/64")}
	if got := n.Prefix(netip.MustParseAddr("192.0.2.1")); got != n.IPv4 {
		t.Errorf("IPv4: %v", got)
	}
	if got := n.Prefix(netip.MustParseAddr("2001:db8::1")); got != n.IPv6 {
		t.Errorf("IPv6: %v", got)
	}
}

func TestDomainOn(t *testing.T) {
	d := Domain{Interfaces: []Interface{{MAC: MAC{2, 1}}, {MAC: MAC{2, 2}, Network: "mds"}, {MAC: MAC{2, 3}, Network: "mds"}}}
	if nic, ok := d.On("mds"); !ok || nic.MAC != (MAC{2, 2}) {
		t.Errorf("On(mds) = %v, %v; want the first one there", nic, ok)
	}
	if nic, ok := d.On("other"); ok {
		t.Errorf("On(other) = %v, want none", nic)
	}
}

func TestDeriveID(t *testing.T) {
	id := DeriveID(testUUID)
	if !regexp.MustCompile(`^i-[0-9a-f]{17}$`).MatchString(id) {
		t.Errorf("%q has not the form of an EC2 instance id", id)
	}
	if DeriveID(testUUID) != id {
		t.Error("the instance-id is not stable")
	}
}
