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

// bridgeZone is firewalld's zone for a bridge.
type bridgeZone struct {
	name string
	join bool // the bridge is in no zone, and should be in this one
}

// findZone asks firewalld for a bridge's zone. A bridge that has none goes into
// libvirt's: the default zone is that of the outside.
func findZone(ctx context.Context, bridge string) bridgeZone {
	if name := zoneOf(ctx, "--get-zone-of-interface="+bridge); name != "" {
		return bridgeZone{name: name}
	}
	if hasZone(ctx, libvirtZone) {
		return bridgeZone{libvirtZone, true}
	}
	return bridgeZone{name: zoneOf(ctx, "--get-default-zone")}
}

// openZone lets a packet in where firewalld keeps it out.
func (f Finding) openZone(zone bridgeZone, bridge string, p firewall.Packet) Finding {
	if zone.join {
		f = f.mend(command("firewall-cmd --permanent --zone=%s --add-interface=%s", zone.name, bridge))
	}
	if !zone.join || p.Proto != "udp" { // libvirt's zone admits DHCP and DNS
		f = f.mend(command("firewall-cmd --permanent --zone=%s --add-port=%s/%s", zone.name, p.Port, p.Proto))
	}
	return f.mend("firewall-cmd --reload")
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
