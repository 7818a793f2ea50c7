package doctor

import (
	"context"
	"slices"
	"strings"

	"mdserver/internal/doctor/firewall"
)

// libvirtZone is firewalld's zone for libvirt's bridges. It admits DHCP and DNS,
// and rejects the rest. libvirt puts a bridge there when a network starts, when
// its daemon starts, and when firewalld reloads.
const libvirtZone = "libvirt"

// openZone lets a packet in where firewalld keeps it out. A bridge that has no
// zone goes into libvirt's: the default zone is that of the outside.
func (f Finding) openZone(ctx context.Context, bridge string, p firewall.Packet) Finding {
	zone := zoneOf(ctx, "--get-zone-of-interface="+bridge)
	if zone == "" && hasZone(ctx, libvirtZone) {
		zone = libvirtZone
		f = f.mend(command("firewall-cmd --permanent --zone=%s --add-interface=%s", zone, bridge))
		if p.Proto == "udp" {
			return f.mend("firewall-cmd --reload")
		}
	}
	if zone == "" {
		zone = zoneOf(ctx, "--get-default-zone")
	}
	return f.mend(command("firewall-cmd --permanent --zone=%s --add-port=%s/%s", zone, p.Port, p.Proto), "firewall-cmd --reload")
}

// zoneOf asks firewalld for a zone. It is empty if there is none.
func zoneOf(ctx context.Context, question string) string {
	name, err := run(ctx, "firewall-cmd", question)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(name)
}

func hasZone(ctx context.Context, name string) bool {
	zones, err := run(ctx, "firewall-cmd", "--get-zones")
	return err == nil && slices.Contains(strings.Fields(zones), name)
}
