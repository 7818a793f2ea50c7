package network

import (
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
)

// Port checks that the server, and no other program, listens on its port.
func Port(h *host.Facts) []finding.Finding {
	if h.Sockets.Err != nil {
		return []finding.Finding{finding.Unchecked("%v", h.Sockets.Err)}
	}
	var all []finding.Finding
	for _, addr := range h.MetadataAddresses() {
		all = append(all, portOf(h, netip.AddrPortFrom(addr, uint16(h.Config.Server.Port))))
	}
	return all
}

func portOf(h *host.Facts, wanted netip.AddrPort) finding.Finding {
	running := h.Server.Running()
	i := slices.IndexFunc(h.Sockets.List, func(l kernel.Listener) bool { return l.Takes("tcp", wanted, 0) })
	switch {
	case i < 0 && running:
		return finding.Fail("port_not_served", "mdserver runs, but does not listen on %s", wanted).Restart(h)
	case i < 0:
		return finding.Good("%s is free", wanted)
	}
	l := h.Sockets.List[i]
	switch p := l.Holder; {
	case running && (p.PID == h.Server.Status.PID || p.PID == 0):
		return finding.Good("mdserver listens on %s", wanted)
	case p.PID == 0:
		return finding.Unchecked("%s is used by a process that only root may see", wanted)
	case !running && p.Name == "mdserver":
		return finding.Warn("server_without_socket", "an mdserver, process %d, listens on %s but does not answer on %s", p.PID, wanted, h.Config.Server.Socket).
			Mend(finding.Stop(p), finding.StartServer(h))
	default:
		return finding.Fail("port_taken", "%s is used by %s, which listens on %s", wanted, p, l.Addr).
			Advise("or let it listen on other addresses only, or set another port in the section [mdserver]").Mend(finding.Stop(p))
	}
}

// Clash looks for other programs on the ports that the server's dnsmasq needs.
func Clash(h *host.Facts) []finding.Finding {
	if h.Sockets.Err != nil {
		return []finding.Finding{finding.Unchecked("%v", h.Sockets.Err)}
	}
	var all []finding.Finding
	for _, n := range h.Networks {
		if n.OwnDnsmasq() {
			all = append(all, clashes(h, n)...)
		}
	}
	return finding.Unless(all, finding.Good("no other program uses the ports of DHCP and DNS"))
}

// clashes finds the programs in the way of a network's dnsmasq, with all of their
// sockets that are.
func clashes(h *host.Facts, n host.Network) []finding.Finding {
	link := -1 // no interface has that
	if b, there := h.Links.ByName[n.Bridge]; there {
		link = b.Index
	}
	programs := map[int]kernel.Process{}
	sockets := map[int][]string{}
	for _, l := range h.Sockets.List {
		p := l.Holder
		if !inTheWay(l, n, link) || ours(h, p) || slices.Contains(sockets[p.PID], l.String()) || shares(l, h.Sockets.List) {
			continue
		}
		programs[p.PID] = p
		sockets[p.PID] = append(sockets[p.PID], l.String())
	}
	var all []finding.Finding
	for pid, p := range programs {
		all = append(all, clash(n, p, sockets[pid]))
	}
	slices.SortFunc(all, func(a, b finding.Finding) int { return strings.Compare(a.Text, b.Text) })
	return all
}

// inTheWay reports whether a socket keeps the dnsmasq of a network from its ports.
func inTheWay(l kernel.Listener, n host.Network, link int) bool {
	dns := netip.AddrPortFrom(n.Gateway, 53)
	return l.Takes("udp", netip.AddrPortFrom(netip.IPv4Unspecified(), 67), link) || l.Takes("udp", dns, link) || l.Takes("tcp", dns, link)
}

// shares reports whether a socket for DHCP is one that a dnsmasq with
// bind-dynamic or bind-interfaces opens so that others can have the port, too.
// Such a dnsmasq has a socket for each of its addresses for DNS.
func shares(l kernel.Listener, all []kernel.Listener) bool {
	return l.Holder.Name == "dnsmasq" && l.Addr.Port() == 67 && slices.ContainsFunc(all, func(other kernel.Listener) bool {
		return other.Holder.PID == l.Holder.PID && other.Addr.Port() == 53 && !other.Addr.Addr().IsUnspecified()
	})
}

// ours reports whether a process is the dnsmasq that serves our guests.
func ours(h *host.Facts, p kernel.Process) bool {
	if p.PID == 0 {
		return true // what cannot be seen is no reason to complain
	}
	return slices.ContainsFunc(h.Networks, func(n host.Network) bool { return n.DnsmasqPID == p.PID }) ||
		slices.ContainsFunc(p.Args, func(arg string) bool { return strings.Contains(arg, h.Config.Dnsmasq.BaseDir+"/") })
}

func clash(n host.Network, p kernel.Process, sockets []string) finding.Finding {
	held := strings.Join(sockets, ", ")
	if p.Name != "dnsmasq" {
		return finding.Fail("dnsmasq_port_taken", "%s uses %s, which the dnsmasq of %s needs", p, held, n.Bridge).Mend(finding.Stop(p))
	}
	f := finding.Fail("dnsmasq_port_taken_by_wildcard", "%s uses %s, which the dnsmasq of %s needs: it runs without bind-dynamic and binds to all addresses", p, held, n.Bridge)
	if p.Service != "" {
		return f.Mend(finding.Command(`printf '%%s\n' bind-dynamic %s > /etc/dnsmasq.d/beside-mdserver.conf`, "except-interface="+n.Bridge),
			finding.Command("systemctl restart %s", p.Service))
	}
	var words []any
	for _, arg := range p.Args {
		words = append(words, arg)
	}
	again := finding.Command(strings.Repeat("%s ", len(words))+"--bind-dynamic --except-interface=%s", append(words, n.Bridge)...)
	return f.Mend(finding.Stop(p), again)
}
