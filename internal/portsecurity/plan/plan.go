// Package plan says what each port of a bridge may send: from networks, guests and
// the host's interfaces to a Plan, which is data alone.
package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Role says what is enforced at a port.
type Role string

const (
	// Guest is the port of a known guest, which sends only as itself.
	Guest Role = "guest"
	// Stranger is a tap device of no known guest. It may not send as this host or
	// as a known guest, and may be no router and no DHCP server.
	Stranger Role = "stranger"
	// Other is any other port, such as an uplink, and that of a guest whose
	// port security is off. It may not send as this host.
	Other Role = "other"
	// Uplink is a port of no guest on one of several hosts with one inventory. It may
	// not send as this host, and does not reach the metadata addresses: each host
	// answers its own guests.
	Uplink Role = "uplink"
)

// Link is an interface of this host.
type Link struct {
	Name   string
	Index  uint32
	Bridge string // that it is a port of, or empty
	MAC    instance.MAC
	Tap    bool
}

// Host is what the plan needs to know of this host.
type Host struct {
	ID    string // among several with one inventory, or empty
	Links []Link
	Addrs map[string][]netip.Addr // of each bridge
}

// Port is one port of a bridge, and what it may send.
type Port struct {
	Name    string
	Bridge  string
	Network string
	Role    Role

	// Of a guest's port:
	Guest   string
	UUID    uuid.UUID
	Off     bool // by the guest's metadata
	MACs    []instance.MAC
	Addrs   []netip.Addr
	Allowed []netip.Prefix

	Index   uint32 // of the interface, if it is there
	updated int64  // of the guest's record, to tell the newest
}

// Plan is what port security enforces.
type Plan struct {
	Ports []Port // by name
	// Host are the addresses of this host, which no port may claim.
	Host []netip.Addr
	// Metadata are the addresses that no uplink reaches.
	Metadata []netip.Addr
	// Reserved are addresses that a guest may claim only if they are its own:
	// those of this host, the gateways, the metadata addresses and all guests.
	Reserved []netip.Addr
}

// MetadataAddrs returns the addresses where guests look for metadata. Only this host
// answers there.
func MetadataAddrs() []netip.Addr {
	return []netip.Addr{instance.Metadata4, instance.Metadata6, instance.MetadataLinkLocal}
}

// Make plans for those of the networks that have port security.
func Make(networks []instance.Network, guests []*instance.Instance, host Host) Plan {
	p := planner{hostID: host.ID, links: map[string]Link{}, taps: map[tap][]string{}, ports: map[string]Port{}}
	for _, link := range host.Links {
		p.links[link.Name] = link
		at := tap{link.Bridge, link.MAC}
		p.taps[at] = append(p.taps[at], link.Name)
	}
	for _, n := range networks {
		if n.PortSecurity && n.Bridge != "" {
			p.network(n, guests, host)
		}
	}
	return p.plan()
}

// On reports whether any network has port security.
func On(networks []instance.Network) bool {
	return slices.ContainsFunc(networks, func(n instance.Network) bool { return n.PortSecurity })
}

type planner struct {
	hostID   string
	links    map[string]Link
	taps     map[tap][]string // the ports with such an address
	ports    map[string]Port
	host     []netip.Addr
	reserved []netip.Addr
}

// tap is what tells the ports of a guest's interface.
type tap struct {
	bridge string
	mac    instance.MAC
}

func (p *planner) network(n instance.Network, guests []*instance.Instance, host Host) {
	p.protect(n, guests, host)
	for _, link := range host.Links {
		if link.Bridge == n.Bridge {
			p.ports[link.Name] = Port{Name: link.Name, Bridge: n.Bridge, Network: n.Name, Role: p.roleOf(link)}
		}
	}
	for _, guest := range guests {
		p.guest(n, guest)
	}
}

// roleOf is the role of a port of no known guest.
func (p *planner) roleOf(link Link) Role {
	switch {
	case link.Tap:
		return Stranger
	case p.hostID != "":
		return Uplink
	}
	return Other
}

// protect notes which addresses are not for guests to choose.
func (p *planner) protect(n instance.Network, guests []*instance.Instance, host Host) {
	p.host = append(p.host, MetadataAddrs()...)
	p.host = append(p.host, host.Addrs[n.Bridge]...)
	p.reserved = append(p.reserved, n.Gateway4, n.Gateway6)
	for _, guest := range guests {
		for _, place := range guest.Attachments() {
			if place.Network == n.Name {
				p.reserved = append(p.reserved, append(place.Addrs(), LinkLocal(place.MAC))...)
			}
		}
	}
}

// guest plans the ports of one guest on a network.
func (p *planner) guest(n instance.Network, guest *instance.Instance) {
	for _, nic := range guest.Interfaces {
		if !n.Has(nic) || nic.MAC.IsZero() {
			continue
		}
		for _, name := range p.portsOf(n, guest, nic) {
			port := Port{
				Name: name, Bridge: n.Bridge, Network: n.Name, Role: Guest,
				Guest: guest.Name, UUID: guest.UUID, MACs: []instance.MAC{nic.MAC},
				updated: guest.LastUpdate.UnixNano(),
			}
			port.complete(guest, nic)
			if current, taken := p.ports[name]; !taken || current.UUID == uuid.Nil || p.prefers(port, current) {
				p.ports[name] = port
			}
		}
	}
}

// portsOf are the ports of a guest's interface: the one that libvirt names, and
// any whose own address libvirt made from the guest's MAC. The address is known as
// soon as the port is there, before libvirt reports it. Another host's name of a port
// says nothing here.
func (p *planner) portsOf(n instance.Network, guest *instance.Instance, nic instance.Interface) []string {
	var names []string
	link, there := p.links[nic.Target]
	here := guest.ServedBy(p.hostID) && guest.Presence.State != instance.Away && guest.Presence.State != instance.Gone
	if nic.Target != "" && here && (!there || link.Bridge == n.Bridge) {
		names = append(names, nic.Target)
	}
	for _, name := range p.taps[tap{n.Bridge, tapMAC(nic.MAC)}] {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// prefers reports whether a port is rather that of one guest than that of
// another: the port's own address says so, or else the newer record.
func (p *planner) prefers(port, current Port) bool {
	link := p.links[port.Name]
	mine, theirs := link.MAC == tapMAC(port.MACs[0]), link.MAC == tapMAC(current.MACs[0])
	if mine != theirs {
		return mine
	}
	if port.updated != current.updated {
		return port.updated > current.updated
	}
	return port.UUID.String() > current.UUID.String() // any order will do
}

// complete adds what the guest's record and metadata allow at the port.
func (port *Port) complete(guest *instance.Instance, nic instance.Interface) {
	for _, place := range guest.AllOn(port.Network) {
		if place.MAC == nic.MAC {
			port.Addrs = place.Addrs()
		}
	}
	port.Addrs = append(port.Addrs, LinkLocal(nic.MAC))
	if guest.Metadata.PortSecurityOff() {
		port.Role, port.Off = Other, true
	}
	allowed := guest.Metadata.AllowedAddresses()
	port.Allowed = allowed.Prefixes
	port.MACs = append(port.MACs, allowed.MACs...)
}

func (p *planner) plan() Plan {
	p.withoutOthersMACs()
	ports := make([]Port, 0, len(p.ports))
	for _, port := range p.ports {
		port.Index = p.links[port.Name].Index
		ports = append(ports, port)
	}
	slices.SortFunc(ports, func(a, b Port) int { return cmp.Compare(a.Name, b.Name) })
	return Plan{Ports: ports, Host: addrSet(p.host), Metadata: addrSet(MetadataAddrs()), Reserved: addrSet(append(p.reserved, p.host...))}
}

// withoutOthersMACs takes from each guest the MACs that it is allowed but that
// are another guest's own.
func (p *planner) withoutOthersMACs() {
	owner := map[instance.MAC]uuid.UUID{}
	for _, port := range p.ports {
		if len(port.MACs) > 0 {
			owner[port.MACs[0]] = port.UUID
		}
	}
	for name, port := range p.ports {
		if len(port.MACs) < 2 {
			continue
		}
		own, allowed := port.MACs[:1], slices.DeleteFunc(slices.Clone(port.MACs[1:]), func(mac instance.MAC) bool {
			of, taken := owner[mac]
			return taken && of != port.UUID
		})
		port.MACs = slices.Concat(own, allowed)
		p.ports[name] = port
	}
}

func addrSet(addrs []netip.Addr) []netip.Addr {
	set := make([]netip.Addr, 0, len(addrs))
	for _, addr := range addrs {
		if addr.IsValid() {
			set = append(set, addr.Unmap().WithZone(""))
		}
	}
	slices.SortFunc(set, netip.Addr.Compare)
	return slices.Compact(set)
}

// tapMAC is the address that libvirt gives to the host's end of an interface,
// so that it is never the lowest of a bridge's ports. Source:
// virNetDevTapCreateInBridgePort of libvirt.
func tapMAC(guest instance.MAC) instance.MAC {
	tap := guest
	tap[0] = 0xfe
	if guest[0] == 0xfe {
		tap[0] = 0xfa
	}
	return tap
}

// LinkLocal is the IPv6 link-local address that follows from a MAC. Source:
// RFC 4291, appendix A.
func LinkLocal(mac instance.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// String shows the plan, a port a line.
func (p Plan) String() string {
	var b strings.Builder
	for _, port := range p.Ports {
		fmt.Fprintf(&b, "%s on %s (%s), interface %d: %s", port.Name, port.Bridge, port.Network, port.Index, port.Role)
		if port.Guest != "" {
			fmt.Fprintf(&b, " %q macs %v addresses %v allowed %v off %v", port.Guest, port.MACs, port.Addrs, port.Allowed, port.Off)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "host %v\nmetadata %v\nreserved %v\n", p.Host, p.Metadata, p.Reserved)
	return b.String()
}
