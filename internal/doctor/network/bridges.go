// Package network checks what is between the guests and the server: bridges,
// routes, ports, dnsmasq, the packet filter, port security, the resolver and free
// addresses. It decides by the facts alone.
package network

import (
	"net/netip"

	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
)

// Bridges checks the bridges and their addresses.
func Bridges(h *host.Facts) []finding.Finding {
	if h.Links.Err != nil {
		return []finding.Finding{finding.Unchecked("the network interfaces are not known: %v", h.Links.Err)}
	}
	var all []finding.Finding
	for _, n := range h.Networks {
		if !n.Known() {
			all = append(all, finding.Unchecked("only libvirt knows the addresses of the network %q; start the server to check them", n.Name))
			continue
		}
		all = append(all, bridge(h, n)...)
	}
	return all
}

func bridge(h *host.Facts, n host.Network) []finding.Finding {
	b, there := h.Links.ByName[n.Bridge]
	switch {
	case !there:
		return []finding.Finding{finding.Fail("bridge_missing", "the bridge %s of the network %q does not exist", n.Bridge, n.Name).MakeBridge(h, n)}
	case !b.Up:
		return []finding.Finding{finding.Fail("bridge_down", "the bridge %s is down", n.Bridge).Mend(finding.Command("ip link set %s up", n.Bridge))}
	}
	var all []finding.Finding
	if !b.Has(n.Gateway) {
		all = append(all, lacks(h, n, n.Gateway, n.IPv4.Bits(), "the guests' router"))
	}
	if n.IPv6.IsValid() && !b.Has(n.Gateway6) {
		all = append(all, lacks(h, n, n.Gateway6, n.IPv6.Bits(), "without it, dnsmasq does not answer DHCPv6, and cloud-init waits for an address until it times out"))
	}
	for _, addr := range h.MetadataAddresses() {
		if !needs(h, n, addr, b) {
			continue
		}
		bits := addr.BitLen()
		if addr.IsLinkLocalUnicast() && addr.Is6() {
			bits = 64
		}
		all = append(all, lacks(h, n, addr.WithZone(""), bits, "where guests look for their metadata"))
	}
	return finding.Unless(all, finding.Good("%s is up and has %v", n.Bridge, b.Addrs))
}

// needs reports whether nothing but a missing address of the bridge can be why
// guests do not reach the server there.
func needs(h *host.Facts, n host.Network, addr netip.Addr, b kernel.Link) bool {
	switch {
	case addr.IsUnspecified() || addr.IsLoopback() || b.Has(addr):
		return false
	case addr.Zone() != "":
		return addr.Zone() == n.Bridge
	}
	return !h.Links.Have(addr)
}

// lacks says that the bridge lacks an address. What defines the bridge should
// have it, too: it is lost with the bridge otherwise.
func lacks(h *host.Facts, n host.Network, addr netip.Addr, bits int, why string) finding.Finding {
	f := finding.Fail("bridge_address_missing", "%s has no address %s, %s", n.Bridge, addr, why).
		Mend(finding.Command("ip address add %s dev %s", netip.PrefixFrom(addr, bits), n.Bridge))
	if owner, ok := h.Libvirt.Owner(n); ok {
		return f.Advise("if the bridge gets its addresses from libvirt's network %q, add this one to its definition, too: %s", owner.Name, finding.Virsh(h, "net-edit %s", owner.Name))
	}
	return f.Advise("add the address to this host's configuration of the bridge, too")
}

// Routes checks that packets to the server stay here, and that answers go back to
// the guests.
func Routes(h *host.Facts) []finding.Finding {
	var all []finding.Finding
	for _, addr := range h.MetadataAddresses() {
		if route, asked := h.Routes[addr.String()]; asked {
			all = append(all, local(h, route)...)
		}
	}
	for _, n := range h.Networks {
		if b := h.Links.ByName[n.Bridge]; n.Known() && b.Up && b.Has(n.Gateway) {
			all = append(all, returns(n, b)...)
		}
	}
	return finding.Unless(all, finding.Good("this host has the metadata address, and the routes to the guests lead to their bridge"))
}

// local checks that packets to one of the server's addresses stay here.
func local(h *host.Facts, route kernel.Route) []finding.Finding {
	if route.Tentative || route.Local {
		return nil
	}
	f := finding.Fail("route_elsewhere", "packets to %s leave this host by %s: no interface here has the address", route.To, route.Link)
	if !route.Exists {
		f = finding.Fail("route_missing", "there is no route to %s: no interface has the address", route.To)
	}
	first := h.Networks[0]
	if _, there := h.Links.ByName[first.Bridge]; !there {
		return []finding.Finding{f.MakeBridge(h, first)}
	}
	return []finding.Finding{f.Mend(finding.Command("ip address add %s dev %s", netip.PrefixFrom(route.To, route.To.BitLen()), first.Bridge))}
}

// returns checks that answers go back to the guests.
func returns(n host.Network, b kernel.Link) []finding.Finding {
	var all []finding.Finding
	for _, r := range n.Returns {
		if r.Route.Exists && r.Route.Link == n.Bridge || r.Prefix.Addr().Is6() && !b.Has(n.Gateway6) {
			continue
		}
		f := finding.Fail("network_routed_elsewhere", "packets to the guests' network %s leave by %s, not by %s: another network has the same addresses", r.Prefix, r.Route.Link, n.Bridge)
		all = append(all, withdraw(f, r.Route))
	}
	return all
}

// withdraw adds the command that removes the route which a packet took.
func withdraw(f finding.Finding, taken kernel.Route) finding.Finding {
	switch {
	case !taken.Exists:
		return f.Advise("add the missing route to the bridge")
	case taken.ByErr != nil:
		return f.Advise("the routes cannot be listed: %v", taken.ByErr)
	}
	var best netip.Prefix
	for _, prefix := range taken.By {
		// A default route is not what is wrong: a rule or another table is.
		if prefix.Bits() > 0 && prefix.Bits() > best.Bits() {
			best = prefix
		}
	}
	if !best.IsValid() {
		return f.Advise("`%s` shows the rule or table of the route", finding.Command("ip route get %s", taken.To))
	}
	return f.Mend(finding.Command("ip route del %s dev %s", best, taken.Link))
}
