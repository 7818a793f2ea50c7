package network

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"mdserver/internal/doctor/doctortest"
	"mdserver/internal/doctor/firewall"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/system"
)

// iptables are rules as iptables-save, or ip6tables-save, prints them.
func iptables(t *testing.T, family, policy, rules string) func(*host.Facts) {
	t.Helper()
	chains, err := firewall.ParseIPTables(family, "*filter\n:INPUT "+policy+" [0:0]\n"+rules+"\nCOMMIT\n")
	if err != nil {
		t.Fatal(err)
	}
	return func(h *host.Facts) { h.Firewall.Rules = append(h.Firewall.Rules, chains) }
}

// nftables is a chain that drops everything, as nft prints it.
func nftables(t *testing.T, table string) func(*host.Facts) {
	t.Helper()
	chains, err := firewall.ParseNFT(`{"nftables":[{"chain":{"family":"inet","table":"` + table + `","name":"filter_INPUT","hook":"input","prio":10,"policy":"drop"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	return func(h *host.Facts) { h.Firewall.Rules = append(h.Firewall.Rules, chains) }
}

func TestFirewall(t *testing.T) {
	zone := func(z system.Zone) func(*host.Facts) {
		return func(h *host.Facts) { h.Firewall.Zones = map[string]system.Zone{"br-mds": z} }
	}
	blind := func(h *host.Facts) { h.Firewall.Blind = []string{"nft: a", "iptables: b"} }
	second := func(h *host.Facts) {
		h.Networks = append(h.Networks, h.Networks[0], host.Network{Name: "unknown", Bridge: "br-b"})
	}
	doctortest.Golden(t, "firewall", []doctortest.Case{
		when("no rules", Firewall, nil),
		when("rules could not be read", Firewall, blind),
		when("one kind of rules could not be read", Firewall, func(h *host.Facts) { h.Firewall.Blind = []string{"nft: a"} }),
		when("some rules could not be read, others drop", Firewall, both(blind, iptables(t, "ip", "ACCEPT", "-A INPUT -p udp -m udp --dport 67 -j DROP"))),
		when("rules accept", Firewall, iptables(t, "ip", "ACCEPT", "")),
		when("iptables drops all", Firewall, iptables(t, "ip", "DROP", "")),
		when("iptables drops all, for two networks on a bridge", Firewall, both(second, iptables(t, "ip", "DROP", ""))),
		when("ip6tables drops all", Firewall, both(sixth, listen6("fe80::a9fe:a9fe%br-mds"), iptables(t, "ip6", "DROP", ""))),
		when("iptables may drop", Firewall, iptables(t, "ip", "DROP", "-A INPUT -m set --match-set friends src -j ACCEPT")),
		when("a chain of nftables, after iptables", Firewall, both(iptables(t, "ip", "ACCEPT", ""), nftables(t, "filter"))),
		when("two filters drop", Firewall, both(iptables(t, "ip", "DROP", ""), nftables(t, "filter"))),
		when("firewalld, in a zone", Firewall, both(nftables(t, "firewalld"), zone(system.Zone{Name: "public"}))),
		when("firewalld, in no zone", Firewall, both(nftables(t, "firewalld"), zone(system.Zone{Name: "libvirt", Join: true}))),
	})
}

// Which packets are followed depends on what serves the network on this host, and
// on its families.
func TestPackets(t *testing.T) {
	network := func(change func(*host.Network)) func(*host.Facts) {
		return func(h *host.Facts) { change(&h.Networks[0]) }
	}
	const metadata, dhcp, dns = "tcp 10.122.0.2:40000 > 169.254.169.254:80", "udp 0.0.0.0:68 > 255.255.255.255:67", "udp 10.122.0.2:40000 > 10.122.0.1:53"
	const dhcp6, dns6 = "udp [fe80::5054:ff:fe00:1]:546 > [ff02::1:2]:547", "udp [fd00:1::2]:40000 > [fd00:1::1]:53"
	for name, test := range map[string]struct {
		change func(*host.Facts)
		want   []string
	}{
		"our dnsmasq":         {func(*host.Facts) {}, []string{metadata, dhcp, dns}},
		"an external dnsmasq": {network(func(n *host.Network) { n.Run = "external" }), []string{metadata, dhcp, dns}},
		"libvirt's dnsmasq":   {network(func(n *host.Network) { n.Libvirt, n.Run = true, "off" }), []string{metadata, dhcp, dns}},
		"others elsewhere":    {network(func(n *host.Network) { n.Run = "off" }), []string{metadata}},
		"another port":        {port(8080), []string{"tcp 10.122.0.2:40000 > 169.254.169.254:8080", dhcp, dns}},
		"without DNS":         {network(func(n *host.Network) { n.UseDNS = false }), []string{metadata, dhcp}},
		"with IPv6":           {sixth, []string{metadata, dhcp, dns, dhcp6, dns6}},
		"with IPv6, without a router": {both(sixth, network(func(n *host.Network) { n.Gateway6 = netip.Addr{} })),
			[]string{metadata, dhcp, dns}},
		"with addresses of IPv6": {both(sixth, listen6("fe80::a9fe:a9fe%br-mds", "::1")),
			[]string{metadata, dhcp, dns, "tcp [fd00:1::2]:40000 > [fe80::a9fe:a9fe]:80", dhcp6, dns6}},
		"another router": {network(func(n *host.Network) { n.Gateway = addr("10.122.0.9") }),
			[]string{"tcp 10.122.0.1:40000 > 169.254.169.254:80", dhcp, "udp 10.122.0.1:40000 > 10.122.0.9:53"}},
		"on a loopback address": {func(h *host.Facts) { h.Config.Server.ListenAddress = addr("127.0.0.1") }, []string{dhcp, dns}},
	} {
		h := doctortest.Healthy(t)
		test.change(h)
		var got []string
		for _, p := range packets(h, h.Networks[0]) {
			got = append(got, fmt.Sprintf("%s %s > %s", p.Proto, netip.AddrPortFrom(p.Source, p.SourcePort), netip.AddrPortFrom(p.Target, p.Port)))
			if p.Interface != "br-mds" {
				t.Errorf("%s: the packet %+v", name, p)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
