package doctor

import (
	"context"
	"os"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/table"
)

// checkPortSecurity tells where guests can send as others, and who tried.
func checkPortSecurity(ctx context.Context, h *Host) []Finding {
	var all []Finding
	for _, n := range h.Config.Networks {
		if !n.PortSecurity {
			all = append(all, warning("port_security_off", "guests on the network %q can pose as each other and as this host: port_security is no", n.Name).
				change(ctx, h, h.section(n.Name), "port_security", "yes"))
		}
	}
	if !h.running() {
		return append(all, unknown("port security is not known: the server does not run"))
	}
	for _, n := range h.status.Networks {
		all = append(all, h.portsOf(n)...)
		if n.PortSecurity.On {
			all = append(all, h.spanningTree(os.DirFS("/sys/class/net"), n.Name, n.Bridge)...)
		}
	}
	return append(all, h.withoutPort(ctx)...)
}

func (h *Host) portsOf(n api.Network) []Finding {
	s := n.PortSecurity
	switch {
	case !s.On:
		return nil
	case s.Trouble != "":
		return []Finding{wrong("port_security_not_enforced", "port security of the network %q is not enforced: %s", n.Name, s.Trouble).
			advise("see `journalctl -u %s -n 20`", unit)}
	}
	all := []Finding{fine("on the network %q, port security is on for %d guests and off for %d", n.Name, s.Guests, s.Off)}
	if s.Strangers > 0 {
		all = append(all, warning("unknown_taps", "the bridge %s has %d taps of no known guest; these are only prevented from posing as others", n.Bridge, s.Strangers).
			advise("compare `%s` and `%s`: another program's tap, or a running domain that is not a guest, is on the bridge", h.virsh("list"), h.mdserver("instance ls")))
	}
	for _, port := range s.Ports {
		all = append(all, h.attempts(port))
	}
	return all
}

func (h *Host) attempts(port api.Port) Finding {
	dropped := table.Describe(port.Dropped)
	if port.Guest == "" {
		return warning("tap_frames_dropped", "frames from %s were dropped: %s", port.Name, dropped).
			advise("find out what uses that port: it belongs to no known guest")
	}
	return warning("guest_frames_dropped", "frames from the guest %q at %s were dropped: %s", port.Guest, port.Name, dropped).
		advise("find the program in the guest that sends them: `%s` shows more; the counts restart with the server", h.mdserver("explain %s", port.Guest))
}

// withoutPort reports guests that libvirt runs and whose port is not known.
func (h *Host) withoutPort(ctx context.Context) []Finding {
	if h.libvirt.err == nil {
		return nil // libvirt reports every port
	}
	guests, err := h.guests(ctx)
	if err != nil {
		return []Finding{unknown("the guests' ports are not known: %v", err)}
	}
	var names []string
	for _, guest := range guests {
		if guest.Presence.State == instance.Gone || guest.Presence.State == instance.Away {
			continue
		}
		for _, place := range guest.Attachments() {
			if h.secured(place.Network) && guest.Target(place) == "" {
				names = append(names, guest.Name)
				break
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Finding{warning("guest_ports_unknown", "libvirt cannot be reached, so the ports of %d guests are not known: %s", len(names), strings.Join(names, ", ")).
		advise("see the findings on libvirt")}
}

func (h *Host) secured(network string) bool {
	for _, n := range h.status.Networks {
		if n.Name == network {
			return n.PortSecurity.On
		}
	}
	return false
}
