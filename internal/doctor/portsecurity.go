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
			all = append(all, warning("guests on the network %q can send as each other and as this host: port_security is no", n.Name).
				change(ctx, h, h.section(n.Name), "port_security", "yes"))
		}
	}
	if !h.running() {
		return append(all, unknown("what is enforced, only the running server tells"))
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
		return []Finding{wrong("port security of the network %q is not enforced: %s", n.Name, s.Trouble).
			advise("`journalctl -u %s -n 20` tells more", unit)}
	}
	all := []Finding{fine("on the network %q, %d guests send only as themselves; for %d port security is off", n.Name, s.Guests, s.Off)}
	if s.Strangers > 0 {
		all = append(all, warning("the bridge %s has %d taps that belong to no known guest; they are only prevented from sending as others", n.Bridge, s.Strangers).
			advise("compare `%s` and `%s`: a running domain that is not a guest is on the bridge, or another program's tap", h.virsh("list"), h.mdserver("instance ls")))
	}
	for _, port := range s.Ports {
		all = append(all, h.attempts(port))
	}
	return all
}

func (h *Host) attempts(port api.Port) Finding {
	dropped := table.Describe(port.Dropped)
	if port.Guest == "" {
		return warning("%s sent what it may not, which was dropped: %s", port.Name, dropped).
			advise("find out what is at that port: no guest is known there")
	}
	return warning("the guest %q sent at %s what it may not, which was dropped: %s", port.Guest, port.Name, dropped).
		advise("find out what in the guest sends it, by `%s`; the counts begin again when the server restarts", h.mdserver("explain %s", port.Guest))
}

// withoutPort tells of guests that libvirt runs and whose port is not known.
func (h *Host) withoutPort(ctx context.Context) []Finding {
	if h.libvirt.err == nil {
		return nil // libvirt tells of every port
	}
	guests, err := h.guests(ctx)
	if err != nil {
		return []Finding{unknown("the guests' ports: %v", err)}
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
	return []Finding{warning("libvirt is not reached, and the ports of %d guests are not known: %s", len(names), strings.Join(names, ", ")).
		advise("see what is said of libvirt")}
}

func (h *Host) secured(network string) bool {
	for _, n := range h.status.Networks {
		if n.Name == network {
			return n.PortSecurity.On
		}
	}
	return false
}
