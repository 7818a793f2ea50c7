package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"mdserver/internal/doctor/firewall"
)

func checkFirewall(ctx context.Context, h *Host) []Finding {
	rules, blind := readRules(ctx)
	var all []Finding
	for _, n := range h.Networks {
		if !n.known() {
			continue
		}
		for _, p := range h.packets(n) {
			if f, found := judge(ctx, rules, n, p); found {
				all = append(all, f)
			}
		}
	}
	all = merge(all)
	if len(all) == 0 && len(blind) > 0 {
		return []Finding{unknown("%s", strings.Join(blind, "; "))}
	}
	return unless(all, fine("no rule keeps guests from DHCP, DNS and metadata"))
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
		{"iptables-save", []string{"-t", "filter"}, firewall.ParseIPTables},
	}
	for _, r := range readers {
		if _, err := exec.LookPath(r.program); err != nil {
			continue
		}
		text, err := run(ctx, r.program, r.args...)
		if err != nil {
			blind = append(blind, fmt.Sprintf("rules not read (be root): %v", err))
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

// packets are what a guest sends to this host to come up.
func (h *Host) packets(n Network) []firewall.Packet {
	guest := n.IPv4.Addr().Next()
	if guest == n.Gateway {
		guest = guest.Next()
	}
	from := firewall.Packet{Interface: n.Bridge, Source: guest, SourcePort: 40000}
	dhcp, dns, http := from, from, from
	dhcp.Source, dhcp.Target = netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255})
	dhcp.Proto, dhcp.Port, dhcp.SourcePort = "udp", 67, 68
	dns.Proto, dns.Port, dns.Target = "udp", 53, n.Gateway
	http.Proto, http.Port, http.Target = "tcp", uint16(h.Config.Server.Port), h.Config.Server.ListenAddress
	packets := []firewall.Packet{http}
	if n.ownDnsmasq() {
		packets = append(packets, dhcp)
		if n.UseDNS {
			packets = append(packets, dns)
		}
	}
	return packets
}

func judge(ctx context.Context, rules []firewall.Chains, n Network, p firewall.Packet) (Finding, bool) {
	for _, chains := range rules {
		v := chains.Input(p)
		if !v.Dropped {
			continue
		}
		f := wrong("what guests send to %s port %d is dropped by %s", p.Proto, p.Port, v.By)
		if v.Doubtful {
			f = warning("what guests send to %s port %d may be dropped by %s; other rules before it could not be judged", p.Proto, p.Port, v.By)
		}
		return f.mend(opening(ctx, v.Chain, n.Bridge, p)...), true
	}
	return Finding{}, false
}

// opening is the command that lets a packet in.
func opening(ctx context.Context, c firewall.Chain, bridge string, p firewall.Packet) []string {
	switch {
	case c.Table == "firewalld":
		return []string{fmt.Sprintf("firewall-cmd --permanent --zone=%s --add-port=%d/%s", quote(zone(ctx, bridge)), p.Port, p.Proto), "firewall-cmd --reload"}
	case c.Family == "":
		return []string{fmt.Sprintf("iptables -I %s -i %s -p %s --dport %d -j ACCEPT", c.Name, bridge, p.Proto, p.Port)}
	}
	return []string{fmt.Sprintf("nft insert rule %s %s %s iifname %s %s dport %d accept", c.Family, c.Table, c.Name, bridge, p.Proto, p.Port)}
}

// zone is firewalld's zone for a bridge.
func zone(ctx context.Context, bridge string) string {
	for _, question := range []string{"--get-zone-of-interface=" + bridge, "--get-default-zone"} {
		if name, err := run(ctx, "firewall-cmd", question); err == nil && strings.TrimSpace(name) != "" {
			return strings.TrimSpace(name)
		}
	}
	return "libvirt" // into which libvirt puts its bridges
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
