package network

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/firewall"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/system"
)

// Firewall checks that the packet filter lets in what guests send to this host.
func Firewall(h *host.Facts) []finding.Finding {
	var all []finding.Finding
	for _, n := range h.Networks {
		if !n.Known() {
			continue
		}
		for _, p := range packets(h, n) {
			f, dropped := judge(h.Firewall, p)
			same := func(other finding.Finding) bool { return other.Text == f.Text }
			if dropped && !slices.ContainsFunc(all, same) {
				all = append(all, f)
			}
		}
	}
	if len(all) == 0 && len(h.Firewall.Blind) > 0 {
		return []finding.Finding{finding.Unchecked("%s", strings.Join(h.Firewall.Blind, "; "))}
	}
	return finding.Unless(all, finding.Good("no rule drops DHCP, DNS or metadata"))
}

// packets are what a guest sends to this host to come up: by IPv4, and by IPv6
// where the network has it. Whether libvirt's dnsmasq or one of mdserver's answers
// makes no difference to the rules.
func packets(h *host.Facts, n host.Network) []firewall.Packet {
	all := packetsOf(h, n, n.IPv4, n.Gateway, dhcp4)
	if n.IPv6.IsValid() && n.Gateway6.IsValid() {
		all = append(all, packetsOf(h, n, n.IPv6, n.Gateway6, dhcp6)...)
	}
	return all
}

// The first message of a DHCP client (RFC 2131, section 4.1, and RFC 8415,
// section 7.1 and 7.2).
var (
	dhcp4 = firewall.Packet{Proto: "udp", Source: netip.IPv4Unspecified(), SourcePort: 68,
		Target: netip.AddrFrom4([4]byte{255, 255, 255, 255}), Port: 67}
	dhcp6 = firewall.Packet{Proto: "udp", Source: netip.MustParseAddr("fe80::5054:ff:fe00:1"), SourcePort: 546,
		Target: netip.MustParseAddr("ff02::1:2"), Port: 547}
)

// packetsOf are those of one family.
func packetsOf(h *host.Facts, n host.Network, prefix netip.Prefix, gateway netip.Addr, dhcp firewall.Packet) []firewall.Packet {
	guest := prefix.Addr().Next()
	if guest == gateway {
		guest = guest.Next()
	}
	var all []firewall.Packet
	for _, addr := range h.MetadataAddresses() {
		if addr.Is4() == guest.Is4() && !addr.IsLoopback() {
			all = append(all, firewall.Packet{Proto: "tcp", Source: guest, Target: addr.WithZone(""), Port: uint16(h.Config.Server.Port)})
		}
	}
	if n.Libvirt || n.OwnDnsmasq() {
		all = append(all, dhcp)
		if n.UseDNS {
			all = append(all, firewall.Packet{Proto: "udp", Source: guest, Target: gateway, Port: 53})
		}
	}
	for i := range all {
		all[i].Interface = n.Bridge
		all[i].SourcePort = cmp.Or(all[i].SourcePort, 40000)
	}
	return all
}

// judge reports whether rules drop a packet.
func judge(filter system.Firewall, p firewall.Packet) (finding.Finding, bool) {
	for _, chains := range filter.Rules {
		v := chains.Input(p)
		if !v.Dropped {
			continue
		}
		f := finding.Fail("firewall_drops", "packets from guests on %s to %s port %d by %s are dropped by %s", p.Interface, p.Proto, p.Port, family(p), v.By)
		if v.Doubtful {
			f = finding.Warn("firewall_may_drop", "packets from guests on %s to %s port %d by %s may be dropped by %s; earlier rules could not be evaluated",
				p.Interface, p.Proto, p.Port, family(p), v.By)
		}
		return open(f, v.Chain, p, filter.Zones[p.Interface]), true
	}
	return finding.Finding{}, false
}

func family(p firewall.Packet) string {
	if p.Target.Is6() {
		return "IPv6"
	}
	return "IPv4"
}

// open adds the command that lets a packet in.
func open(f finding.Finding, c firewall.Chain, p firewall.Packet, zone system.Zone) finding.Finding {
	const lost = "the command changes the active rules only; also add the rule to this host's firewall configuration, such as %s"
	switch program := c.Program(); {
	case c.Table == "firewalld":
		return openZone(f, zone, p)
	case program == "nft":
		return f.Mend(finding.Command("nft insert rule %s %s %s iifname %s %s dport %s accept", c.Family, c.Table, c.Name, p.Interface, p.Proto, p.Port)).
			Advise(lost, "/etc/nftables.conf")
	default:
		return f.Mend(finding.Command(program+" -I %s -i %s -p %s --dport %s -j ACCEPT", c.Name, p.Interface, p.Proto, p.Port)).
			Advise(lost, "/etc/iptables")
	}
}

// openZone lets a packet in where firewalld keeps it out.
func openZone(f finding.Finding, zone system.Zone, p firewall.Packet) finding.Finding {
	if zone.Join {
		f = f.Mend(finding.Command("firewall-cmd --permanent --zone=%s --add-interface=%s", zone.Name, p.Interface))
	}
	if !zone.Join || p.Proto != "udp" { // libvirt's zone admits DHCP and DNS
		f = f.Mend(finding.Command("firewall-cmd --permanent --zone=%s --add-port=%s/%s", zone.Name, p.Port, p.Proto))
	}
	return f.Mend("firewall-cmd --reload")
}
