package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"mdserver/internal/doctor/firewall"
)

func checkFirewall(ctx context.Context, h *Host) []Finding {
	rules, blind := readRules(ctx)
	var all []Finding
	for _, n := range h.Networks {
		if !n.known() {
			continue
		}
		zone := sync.OnceValue(func() bridgeZone { return findZone(ctx, n.Bridge) }) // firewalld answers slowly
		for _, p := range h.packets(n) {
			if f, found := judge(rules, n, p, zone); found {
				all = append(all, f)
			}
		}
	}
	all = merge(all)
	if len(all) == 0 && len(blind) > 0 {
		return []Finding{unknown("%s", strings.Join(blind, "; "))}
	}
	return unless(all, fine("no rule drops DHCP, DNS or metadata"))
}

// readRules reads the rules of both kinds, and tells what it could not read.
// A host without the programs has no rules that they made.
func readRules(ctx context.Context) (all []firewall.Chains, blind []string) {
	readers := []struct {
		program string
		args    []string
		parse   func(string) (firewall.Chains, error)
	}{
		{"nft", []string{"-j", "list", "ruleset"}, firewall.ParseNFT},
		{"iptables-save", []string{"-t", "filter"}, iptables("ip")},
		{"ip6tables-save", []string{"-t", "filter"}, iptables("ip6")},
	}
	for _, r := range readers {
		if _, err := exec.LookPath(r.program); err != nil {
			continue
		}
		text, err := run(ctx, r.program, r.args...)
		if err != nil {
			blind = append(blind, fmt.Sprintf("rules not read (run as root): %v", err))
			continue
		}
		chains, err := r.parse(text)
		if err != nil {
			blind = append(blind, err.Error())
			continue
		}
		all = append(all, chains)
	}
	return all, blind
}

func iptables(family string) func(string) (firewall.Chains, error) {
	return func(text string) (firewall.Chains, error) { return firewall.ParseIPTables(family, text) }
}

// packets are what a guest sends to this host to come up: by IPv4, and by IPv6
// where the network has it. Whether libvirt's dnsmasq or one of mdserver's answers
// makes no difference to the rules.
func (h *Host) packets(n Network) []firewall.Packet {
	packets := h.packetsOf(n, n.IPv4, n.Gateway, dhcp4)
	if n.IPv6.IsValid() && n.Gateway6.IsValid() {
		packets = append(packets, h.packetsOf(n, n.IPv6, n.Gateway6, dhcp6)...)
	}
	return packets
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
func (h *Host) packetsOf(n Network, prefix netip.Prefix, gateway netip.Addr, dhcp firewall.Packet) []firewall.Packet {
	guest := prefix.Addr().Next()
	if guest == gateway {
		guest = guest.Next()
	}
	var packets []firewall.Packet
	for _, addr := range h.metadataAddresses() {
		if addr.Is4() == guest.Is4() && !addr.IsLoopback() {
			packets = append(packets, firewall.Packet{Proto: "tcp", Source: guest, Target: addr.WithZone(""), Port: uint16(h.Config.Server.Port)})
		}
	}
	if n.Libvirt || n.ownDnsmasq() {
		packets = append(packets, dhcp)
		if n.UseDNS {
			packets = append(packets, firewall.Packet{Proto: "udp", Source: guest, Target: gateway, Port: 53})
		}
	}
	for i := range packets {
		packets[i].Interface = n.Bridge
		packets[i].SourcePort = cmp.Or(packets[i].SourcePort, 40000)
	}
	return packets
}

func judge(rules []firewall.Chains, n Network, p firewall.Packet, zone func() bridgeZone) (Finding, bool) {
	for _, chains := range rules {
		v := chains.Input(p)
		if !v.Dropped {
			continue
		}
		f := wrong("firewall_drops", "packets from guests on %s to %s port %d by %s are dropped by %s", n.Bridge, p.Proto, p.Port, family(p), v.By)
		if v.Doubtful {
			f = warning("firewall_may_drop", "packets from guests on %s to %s port %d by %s may be dropped by %s; earlier rules could not be evaluated",
				n.Bridge, p.Proto, p.Port, family(p), v.By)
		}
		return f.open(v.Chain, n.Bridge, p, zone), true
	}
	return Finding{}, false
}

func family(p firewall.Packet) string {
	if p.Target.Is6() {
		return "IPv6"
	}
	return "IPv4"
}

// open adds the command that lets a packet in.
func (f Finding) open(c firewall.Chain, bridge string, p firewall.Packet, zone func() bridgeZone) Finding {
	const lost = "the command changes the active rules only; also add the rule to this host's firewall configuration, such as %s"
	switch program := c.Program(); {
	case c.Table == "firewalld":
		return f.openZone(zone(), bridge, p)
	case program == "nft":
		return f.mend(command("nft insert rule %s %s %s iifname %s %s dport %s accept", c.Family, c.Table, c.Name, bridge, p.Proto, p.Port)).
			advise(lost, "/etc/nftables.conf")
	default:
		return f.mend(command(program+" -I %s -i %s -p %s --dport %s -j ACCEPT", c.Name, bridge, p.Proto, p.Port)).
			advise(lost, "/etc/iptables")
	}
}

// merge leaves each finding once.
func merge(all []Finding) []Finding {
	var once []Finding
	for _, f := range all {
		if !slices.ContainsFunc(once, func(o Finding) bool { return o.Text == f.Text }) {
			once = append(once, f)
		}
	}
	return once
}
