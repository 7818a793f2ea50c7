package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"mdserver/internal/config"
)

// Which packets are followed depends on who serves the network on this host,
// and on its families.
func TestPackets(t *testing.T) {
	four := Network{Bridge: "br0", IPv4: netip.MustParsePrefix("10.50.0.0/24"), Gateway: netip.MustParseAddr("10.50.0.1"), UseDNS: true, Run: "child"}
	with := func(change func(*Network)) Network {
		n := four
		change(&n)
		return n
	}
	for name, test := range map[string]struct {
		n    Network
		want []string
	}{
		"our dnsmasq":         {four, []string{"tcp 80 IPv4", "udp 67 IPv4", "udp 53 IPv4"}},
		"an external dnsmasq": {with(func(n *Network) { n.Run = "external" }), []string{"tcp 80 IPv4", "udp 67 IPv4", "udp 53 IPv4"}},
		"libvirt's dnsmasq":   {with(func(n *Network) { n.Libvirt, n.Run = true, "off" }), []string{"tcp 80 IPv4", "udp 67 IPv4", "udp 53 IPv4"}},
		"others elsewhere":    {with(func(n *Network) { n.Run = "off" }), []string{"tcp 80 IPv4"}},
		"without DNS":         {with(func(n *Network) { n.UseDNS = false }), []string{"tcp 80 IPv4", "udp 67 IPv4"}},
		"with IPv6": {with(func(n *Network) {
			n.IPv6, n.Gateway6 = netip.MustParsePrefix("fd00:50::/64"), netip.MustParseAddr("fd00:50::1")
		}), []string{"tcp 80 IPv4", "udp 67 IPv4", "udp 53 IPv4", "udp 547 IPv6", "udp 53 IPv6"}},
	} {
		h := &Host{Config: config.Default()}
		var got []string
		for _, p := range h.packets(test.n) {
			got = append(got, fmt.Sprintf("%s %d %s", p.Proto, p.Port, family(p)))
			if p.Interface != "br0" || p.SourcePort == 0 {
				t.Errorf("%s: the packet %+v", name, p)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
