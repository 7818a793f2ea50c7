package doctor

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func checkPort(ctx context.Context, h *Host) []Finding {
	all, err := listening()
	if err != nil {
		return []Finding{unknown("%v", err)}
	}
	var findings []Finding
	for _, addr := range h.metadataAddresses() {
		wanted := netip.AddrPortFrom(addr, uint16(h.Config.Server.Port))
		findings = append(findings, h.checkPortOf(ctx, wanted, all)...)
	}
	return findings
}

func (h *Host) checkPortOf(ctx context.Context, wanted netip.AddrPort, all []listener) []Finding {
	taken := slices.DeleteFunc(slices.Clone(all), func(l listener) bool { return !l.takes("tcp", wanted, 0) })
	switch {
	case len(taken) == 0 && h.running():
		return []Finding{h.restart(ctx, wrong("port_not_served", "mdserver runs, but does not listen on %s", wanted))}
	case len(taken) == 0:
		return []Finding{fine("%s is free", wanted)}
	}
	l := taken[0]
	p := holdersOf(taken)[l.inode]
	switch {
	case h.running() && (p.pid == h.status.PID || p.pid == 0):
		return []Finding{fine("mdserver listens on %s", wanted)}
	case p.pid == 0:
		return []Finding{unknown("%s is used by a process that only root may see", wanted)}
	case !h.running() && p.name == "mdserver":
		return []Finding{warning("server_without_socket", "an mdserver, process %d, listens on %s but does not answer on %s", p.pid, wanted, h.Config.Server.Socket).
			mend(p.stop(), h.startServer(ctx))}
	}
	return []Finding{wrong("port_taken", "%s is used by %s, which listens on %s", wanted, p, l.addr).
		advise("or let it listen on other addresses only, or set another port in the section [mdserver]").mend(p.stop())}
}

func holdersOf(list []listener) map[uint32]process {
	inodes := map[uint32]bool{}
	for _, l := range list {
		inodes[l.inode] = true
	}
	return holders(inodes)
}

// checkClash looks for others on the ports that our dnsmasq needs.
func checkClash(_ context.Context, h *Host) []Finding {
	sockets, err := listening()
	if err != nil {
		return []Finding{unknown("%v", err)}
	}
	var all []Finding
	for _, n := range h.Networks {
		if n.ownDnsmasq() {
			all = append(all, h.checkClashOn(n, sockets)...)
		}
	}
	return unless(all, fine("no other program uses the ports of DHCP and DNS"))
}

func (h *Host) checkClashOn(n Network, sockets []listener) []Finding {
	link := -1 // no interface has that
	if b, err := findBridge(n.Bridge); err == nil {
		link = b.index
	}
	needs := []struct {
		proto string
		addr  netip.AddrPort
	}{
		{"udp", netip.AddrPortFrom(netip.IPv4Unspecified(), 67)},
		{"udp", netip.AddrPortFrom(n.Gateway, 53)},
		{"tcp", netip.AddrPortFrom(n.Gateway, 53)},
	}
	clashes := map[process][]string{}
	who := holdersOf(sockets)
	for _, l := range sockets {
		p := who[l.inode]
		if h.ours(p) || slices.Contains(clashes[p], l.String()) || shares(p, l, sockets, who) {
			continue
		}
		for _, need := range needs {
			if l.takes(need.proto, need.addr, link) {
				clashes[p] = append(clashes[p], l.String())
				break
			}
		}
	}
	var all []Finding
	for p, list := range clashes {
		all = append(all, clash(n, p, list))
	}
	slices.SortFunc(all, func(a, b Finding) int { return strings.Compare(a.Text, b.Text) })
	return all
}

// shares reports whether a socket for DHCP is one that a dnsmasq with
// bind-dynamic or bind-interfaces opens so that others can have the port, too.
// Such a dnsmasq has a socket for each of its addresses for DNS.
func shares(p process, l listener, all []listener, who map[uint32]process) bool {
	return p.name == "dnsmasq" && l.addr.Port() == 67 && slices.ContainsFunc(all, func(other listener) bool {
		return who[other.inode] == p && other.addr.Port() == 53 && !other.addr.Addr().IsUnspecified()
	})
}

// ours reports whether a process is the dnsmasq that serves our guests.
func (h *Host) ours(p process) bool {
	if p.pid == 0 {
		return true // what cannot be seen is no reason to complain
	}
	for _, n := range h.Networks {
		text, err := os.ReadFile(filepath.Join(h.Config.Dnsmasq.RunDir, n.Name+".pid"))
		if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(p.pid) {
			return true
		}
	}
	return slices.ContainsFunc(p.arguments(), func(arg string) bool {
		return strings.Contains(arg, h.Config.Dnsmasq.BaseDir+"/")
	})
}

func clash(n Network, p process, sockets []string) Finding {
	held := strings.Join(sockets, ", ")
	if p.name != "dnsmasq" {
		return wrong("dnsmasq_port_taken", "%s uses %s, which the dnsmasq of %s needs", p, held, n.Bridge).mend(p.stop())
	}
	f := wrong("dnsmasq_port_taken_by_wildcard", "%s uses %s, which the dnsmasq of %s needs: it runs without bind-dynamic and binds to all addresses", p, held, n.Bridge)
	if service := p.service(); service != "" {
		return f.mend(command(`printf '%%s\n' bind-dynamic %s > /etc/dnsmasq.d/beside-mdserver.conf`, "except-interface="+n.Bridge),
			command("systemctl restart %s", service))
	}
	var words []any
	for _, arg := range append(p.arguments(), n.Bridge) {
		words = append(words, arg)
	}
	again := command(strings.Repeat("%s ", len(words)-1)+"--bind-dynamic --except-interface=%s", words...)
	return f.mend(p.stop(), again)
}
