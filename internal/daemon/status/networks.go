package status

import (
	"net/netip"
	"slices"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/networks"
)

// networkStatus reports for each network what serves it and how many guests are on
// it.
func (r *Reporter) networkStatus(guests *inventory.Snapshot) []api.Network {
	var list []api.Network
	for _, served := range r.parts.Networks.Status() {
		ranges := r.parts.Inventory.Ranges(served.Network.Name)
		n := describe(served, ranges, r.parts.Ports.Status(served.Network.Name))
		n.Guests, n.Used = population(guests, n.Name, countable(served.Network.PerHost, ranges))
		n.Free = free(r.parts.Inventory.Free(n.Name), n)
		list = append(list, n)
	}
	return list
}

// describe reports on a network: what serves it, its addresses for guests, what is enforced
// there, and what is wrong.
func describe(served networks.Status, ranges []instance.AddrRange, ports api.PortSecurity) api.Network {
	is := served.Network
	n := api.Network{
		Name: is.Name, Backend: served.Backend, Bridge: is.Bridge,
		IPv4: prefix(is.IPv4), IPv6: prefix(is.IPv6), Domain: is.Domain, Scope: config.ScopeShared,
		Dnsmasq: served.Dnsmasq, Libvirt: served.Libvirt,
		PortSecurity: ports, Trouble: networkTrouble(served.Trouble, ports.Trouble),
	}
	if is.PerHost {
		n.Scope = config.ScopeHost
	}
	for _, one := range ranges {
		n.Ranges = append(n.Ranges, one.String())
	}
	return n
}

// free is how many addresses the next guests can be given. libvirt grants no more
// leases than its DHCP range has addresses.
func free(addresses int, n api.Network) int {
	if n.Libvirt == nil || n.Libvirt.Leases == 0 {
		return addresses
	}
	return max(0, min(addresses, n.Libvirt.Leases-n.Used))
}

// networkTrouble is what is wrong with a network: what its server told last, or
// else what port security lacks.
func networkTrouble(served, enforced string) string {
	if served == "" && enforced != "" {
		return "port security is not enforced: " + enforced
	}
	return served
}

// population counts the guests on a network, and those of their IPv4 addresses there
// that count.
func population(guests *inventory.Snapshot, name string, counts func(netip.Addr) bool) (count, used int) {
	for inst := range guests.All() {
		places := inst.AllOn(name)
		if len(places) > 0 {
			count++
		}
		for _, place := range places {
			if place.IPv4.IsValid() && counts(place.IPv4) {
				used++
			}
		}
	}
	return count, used
}

// countable returns which addresses of a network count: all of them, or with perHost only those
// in ranges.
func countable(perHost bool, ranges []instance.AddrRange) func(netip.Addr) bool {
	return func(addr netip.Addr) bool { return !perHost || inRanges(ranges, addr) }
}

func inRanges(ranges []instance.AddrRange, addr netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(r instance.AddrRange) bool { return r.Contains(addr) })
}

func prefix(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// firstDnsmasq is the dnsmasq of the first network that has one.
func firstDnsmasq(networks []api.Network) api.Dnsmasq {
	for _, n := range networks {
		if n.Dnsmasq != nil {
			return *n.Dnsmasq
		}
	}
	return api.Dnsmasq{Mode: dnsmasq.Off}
}
