package network

import (
	"strings"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/counted"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/table"
)

// PortSecurity tells where guests can send as others, and which ones tried.
func PortSecurity(h *host.Facts) []finding.Finding {
	var all []finding.Finding
	for _, n := range h.Config.Networks {
		if !n.PortSecurity {
			all = append(all, finding.Warn("port_security_off", "guests on the network %q can pose as each other and as this host: port_security is no", n.Name).
				Change(h, finding.Section(h, n.Name), "port_security", "yes"))
		}
	}
	if !h.Server.Running() {
		return append(all, finding.Unchecked("port security is not known: the server does not run"))
	}
	for _, n := range h.Server.Status.Networks {
		if n.PortSecurity.On {
			all = append(append(all, enforced(h, n)...), spanningTree(h, n)...)
		}
	}
	return append(all, withoutPort(h)...)
}

func enforced(h *host.Facts, n api.Network) []finding.Finding {
	s := n.PortSecurity
	if s.Trouble != "" {
		return []finding.Finding{finding.Fail("port_security_not_enforced", "port security of the network %q is not enforced: %s", n.Name, s.Trouble).
			Advise("see `journalctl -u %s -n 20`", host.UnitName)}
	}
	all := []finding.Finding{finding.Good("on the network %q, port security is on for %s and off for %d", n.Name, counted.Guests(s.Guests), s.Off)}
	if s.Strangers > 0 {
		all = append(all, finding.Warn("unknown_taps", "the bridge %s has taps of no known guest: %d; there, mdserver only prevents posing as others", n.Bridge, s.Strangers).
			Advise("compare `%s` and `%s`: another program's tap, or a running domain that is not a guest, is on the bridge", finding.Virsh(h, "list"), finding.Mdserver(h, "instance ls")))
	}
	for _, port := range s.Ports {
		all = append(all, attempts(h, port))
	}
	return all
}

func attempts(h *host.Facts, port api.Port) finding.Finding {
	dropped := table.Describe(port.Dropped)
	if port.Guest == "" {
		return finding.Warn("tap_frames_dropped", "frames from %s were dropped: %s", port.Name, dropped).
			Advise("find out what uses that port: it belongs to no known guest")
	}
	return finding.Warn("guest_frames_dropped", "frames from the guest %q at %s were dropped: %s", port.Guest, port.Name, dropped).
		Advise("find the program in the guest that sends them: `%s` shows more; the counts restart with the server", finding.Mdserver(h, "explain %s", port.Guest))
}

// withoutPort reports guests that libvirt runs and whose port is not known.
func withoutPort(h *host.Facts) []finding.Finding {
	switch {
	case h.Libvirt.Err == nil:
		return nil // libvirt reports every port
	case h.Guests.Err != nil:
		return []finding.Finding{finding.Unchecked("the guests' ports are not known: %v", h.Guests.Err)}
	}
	var names []string
	for _, guest := range h.Guests.List {
		if guest.Presence.State != instance.Gone && guest.Presence.State != instance.Away && lacksPort(h, guest) {
			names = append(names, guest.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []finding.Finding{finding.Warn("guest_ports_unknown", "libvirt cannot be reached, so the ports of these guests are not known: %s", strings.Join(names, ", ")).
		Advise("see the findings on libvirt")}
}

func lacksPort(h *host.Facts, guest instance.Instance) bool {
	for _, place := range guest.Attachments() {
		if secured(h, place.Network) && guest.Target(place) == "" {
			return true
		}
	}
	return false
}

func secured(h *host.Facts, network string) bool {
	for _, n := range h.Server.Status.Networks {
		if n.Name == network {
			return n.PortSecurity.On
		}
	}
	return false
}

// shortestDelay is the least forward delay of a bridge with spanning tree, which
// libvirt's networks have. A new guest's packets pass after two of them, before
// the guest has booted.
const shortestDelay = 2 * time.Second

// spanningTree reports a bridge on which spanning tree does harm. No rule sees its
// messages, and a guest may send them: the guest then leads the tree, and decides
// how long the packets of new guests are held back.
func spanningTree(h *host.Facts, n api.Network) []finding.Finding {
	tree := h.Trees[n.Bridge]
	var f finding.Finding
	switch {
	case tree.On && tree.Leader != "":
		f = finding.Warn("spanning_tree_led_by_guest", "a guest behind %s leads the spanning tree of the bridge %s, and can delay the packets of new guests", tree.Leader, n.Bridge)
	case tree.On && tree.Delay > shortestDelay:
		f = finding.Warn("spanning_tree_delay", "the spanning tree of the bridge %s delays a new guest's packets for %s", n.Bridge, 2*tree.Delay)
	default:
		return nil
	}
	return []finding.Finding{f.
		Advise("if libvirt creates the bridge, set <bridge stp='off'/> in the network's definition: %s", finding.Virsh(h, "net-edit %s", n.Name)).
		Mend(finding.Command("ip link set %s type bridge stp_state 0", n.Bridge))}
}
