package doctor

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"mdserver/internal/admin"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity"
)

// checkPortSecurity tells where guests can send as others, and who tried.
func checkPortSecurity(ctx context.Context, h *Host) []Finding {
	var all []Finding
	for _, n := range h.Config.Networks {
		if !n.PortSecurity {
			all = append(all, warning("guests on the network %q can send as each other and as this host: port_security is no", n.Name).
				set(h, h.section(n.Name), "port_security", "yes").reload(h))
		}
	}
	if !h.running() {
		return append(all, unknown("what is enforced, only the running server tells"))
	}
	for _, n := range h.status.Networks {
		all = append(all, portsOf(n)...)
		if n.PortSecurity.On {
			all = append(all, spanningTree(os.DirFS("/sys/class/net"), n.Name, n.Bridge)...)
		}
	}
	return append(all, h.withoutPort(ctx)...)
}

func portsOf(n admin.Network) []Finding {
	s := n.PortSecurity
	switch {
	case !s.On:
		return nil
	case s.Trouble != "":
		return []Finding{wrong("port security of the network %q is not enforced: %s", n.Name, s.Trouble).
			mend("journalctl -u " + unit + " -n 20")}
	}
	all := []Finding{fine("on the network %q, %d guests send only as themselves; for %d port security is off", n.Name, s.Guests, s.Off)}
	if s.Strangers > 0 {
		all = append(all, warning("the bridge %s has %d taps of no known guest, which are only kept from sending as others", n.Bridge, s.Strangers).
			mend("virsh list", "mdserver instance ls"))
	}
	for _, port := range s.Ports {
		all = append(all, attempts(port))
	}
	return all
}

func attempts(port portsecurity.Counted) Finding {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(port.Dropped)) {
		list = append(list, fmt.Sprintf("%d %s", port.Dropped[kind], kind.Text()))
	}
	if port.Guest == "" {
		return warning("%s sent what it may not, which was dropped: %s", port.Name, strings.Join(list, ", "))
	}
	return warning("the guest %q sent at %s what it may not, which was dropped: %s", port.Guest, port.Name, strings.Join(list, ", ")).
		mend("mdserver explain " + quote(port.Guest))
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
	return []Finding{warning("libvirt is not reached, and the ports of %d guests are not known: %s", len(names), strings.Join(names, ", "))}
}

func (h *Host) secured(network string) bool {
	for _, n := range h.status.Networks {
		if n.Name == network {
			return n.PortSecurity.On
		}
	}
	return false
}
