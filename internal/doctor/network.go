package doctor

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"mdserver/internal/hostaddr"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// bridgeState is an interface as it is now.
type bridgeState struct {
	index int
	up    bool
	addrs []netip.Addr
}

func findBridge(name string) (bridgeState, error) {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return bridgeState{}, err
	}
	nets, err := nic.Addrs()
	if err != nil {
		return bridgeState{}, err
	}
	b := bridgeState{index: nic.Index, up: nic.Flags&net.FlagUp != 0}
	for _, n := range nets {
		if prefix, err := netip.ParsePrefix(n.String()); err == nil {
			b.addrs = append(b.addrs, prefix.Addr())
		}
	}
	return b, nil
}

func (b bridgeState) has(addr netip.Addr) bool { return slices.Contains(b.addrs, addr.WithZone("")) }

func checkBridges(_ context.Context, h *Host) []Finding {
	var all []Finding
	for _, n := range h.Networks {
		if !n.known() {
			all = append(all, unknown("only libvirt knows the addresses of the network %q; start the server to check them", n.Name))
			continue
		}
		all = append(all, h.checkBridge(n)...)
	}
	return all
}

func (h *Host) checkBridge(n Network) []Finding {
	b, err := findBridge(n.Bridge)
	if err != nil {
		return []Finding{wrong("bridge_missing", "the bridge %s of the network %q does not exist", n.Bridge, n.Name).makeBridge(h, n)}
	}
	if !b.up {
		return []Finding{wrong("bridge_down", "the bridge %s is down", n.Bridge).mend(command("ip link set %s up", n.Bridge))}
	}
	var all []Finding
	if !b.has(n.Gateway) {
		all = append(all, h.missing(n, n.Gateway, n.IPv4.Bits(), "the guests' router"))
	}
	if n.IPv6.IsValid() && !b.has(n.Gateway6) {
		f := h.missing(n, n.Gateway6, n.IPv6.Bits(), "without it, dnsmasq does not answer DHCPv6, and cloud-init waits for an address until it times out")
		all = append(all, f)
	}
	for _, addr := range h.metadataAddresses() {
		if !h.mustBear(n, addr, b) {
			continue
		}
		bits := addr.BitLen()
		if addr.IsLinkLocalUnicast() && addr.Is6() {
			bits = 64
		}
		all = append(all, h.missing(n, addr.WithZone(""), bits, "where guests look for their metadata"))
	}
	return unless(all, fine("%s is up and has %v", n.Bridge, b.addrs))
}

// mustBear reports whether nothing but a missing address of the bridge can be
// why guests do not reach the server there.
func (h *Host) mustBear(n Network, addr netip.Addr, b bridgeState) bool {
	switch {
	case addr.IsUnspecified() || addr.IsLoopback() || b.has(addr):
		return false
	case addr.Zone() != "":
		return addr.Zone() == n.Bridge
	}
	return !hostaddr.Has(addr)
}

// missing says that the bridge lacks an address. What defines the bridge should
// have it, too: it is lost with the bridge otherwise.
func (h *Host) missing(n Network, addr netip.Addr, bits int, why string) Finding {
	f := wrong("bridge_address_missing", "%s has no address %s, %s", n.Bridge, addr, why).mend(command("ip address add %s dev %s", netip.PrefixFrom(addr, bits), n.Bridge))
	if owner, ok := h.libvirt.owner(n); ok {
		return f.advise("if the bridge gets its addresses from libvirt's network %q, add this one to its definition, too: %s", owner.name, h.virsh("net-edit %s", owner.name))
	}
	return f.advise("add the address to this host's configuration of the bridge, too")
}

func checkRoutes(_ context.Context, h *Host) []Finding {
	var all []Finding
	for _, addr := range h.metadataAddresses() {
		if addr.IsUnspecified() || addr.Zone() != "" {
			continue
		}
		if f, bad := h.checkLocal(addr); bad {
			all = append(all, f)
		}
	}
	for _, n := range h.Networks {
		if !n.known() {
			continue
		}
		if b, err := findBridge(n.Bridge); err == nil && b.up && b.has(n.Gateway) {
			all = append(all, checkReturn(n, b)...)
		}
	}
	return unless(all, fine("this host has the metadata address, and the routes to the guests lead to their bridge"))
}

// checkLocal makes sure that packets to the server's address stay here.
func (h *Host) checkLocal(addr netip.Addr) (Finding, bool) {
	first := h.Networks[0]
	remedy := func(f Finding) Finding { return f.makeBridge(h, first) }
	if _, err := findBridge(first.Bridge); err == nil {
		remedy = func(f Finding) Finding {
			return f.mend(command("ip address add %s dev %s", netip.PrefixFrom(addr, addr.BitLen()), first.Bridge))
		}
	}
	if tentative(addr) {
		return Finding{}, false
	}
	routes, err := netlink.RouteGet(addr.AsSlice())
	if err != nil {
		return remedy(wrong("route_missing", "there is no route to %s: no interface has the address", addr)), true
	}
	if len(routes) > 0 && routes[0].Type == localRoute {
		return Finding{}, false
	}
	return remedy(wrong("route_elsewhere", "packets to %s leave this host by %s: no interface here has the address", addr, linkName(routes))), true
}

// tentative reports whether an interface has an IPv6 address that it does not
// use yet: a bridge cannot ask whether another has it before a guest is on it
// (RFC 4862, section 5.4).
func tentative(addr netip.Addr) bool {
	all, err := netlink.AddrList(nil, netlink.FAMILY_V6)
	return err == nil && slices.ContainsFunc(all, func(a netlink.Addr) bool {
		return a.IP.Equal(addr.AsSlice()) && a.Flags&unix.IFA_F_TENTATIVE != 0 && a.Flags&unix.IFA_F_DADFAILED == 0
	})
}

const localRoute = 2 // RTN_LOCAL of rtnetlink

// checkReturn makes sure that answers go back to the guests.
func checkReturn(n Network, b bridgeState) []Finding {
	var all []Finding
	for _, prefix := range []netip.Prefix{n.IPv4, n.IPv6} {
		if !prefix.IsValid() || prefix.Addr().Is6() && !b.has(n.Gateway6) {
			continue
		}
		guest := prefix.Addr().Next()
		for b.has(guest) {
			guest = guest.Next()
		}
		routes, err := netlink.RouteGet(guest.AsSlice())
		if err == nil && len(routes) > 0 && routes[0].LinkIndex == b.index {
			continue
		}
		all = append(all, wrong("network_routed_elsewhere", "packets to the guests' network %s leave by %s, not by %s: another network has the same addresses", prefix, linkName(routes), n.Bridge).
			withdraw(routes, guest))
	}
	return all
}

// withdraw adds the command that removes the route which a packet took.
func (f Finding) withdraw(taken []netlink.Route, guest netip.Addr) Finding {
	if len(taken) == 0 {
		return f.advise("add the missing route to the bridge")
	}
	family := netlink.FAMILY_V4
	if guest.Is6() {
		family = netlink.FAMILY_V6
	}
	routes, err := netlink.RouteListFiltered(family, &netlink.Route{LinkIndex: taken[0].LinkIndex}, netlink.RT_FILTER_OIF)
	if err != nil {
		return f.advise("the routes cannot be listed: %v", err)
	}
	best, bits := "", -1
	for _, r := range routes {
		if r.Dst == nil || !r.Dst.Contains(guest.AsSlice()) {
			continue
		}
		// A default route is not what is wrong: a rule or another table is.
		if ones, _ := r.Dst.Mask.Size(); ones > bits && ones > 0 {
			best, bits = r.Dst.String(), ones
		}
	}
	if best == "" {
		return f.advise("`%s` shows the rule or table of the route", command("ip route get %s", guest))
	}
	return f.mend(command("ip route del %s dev %s", best, linkName(taken)))
}

func linkName(routes []netlink.Route) string {
	if len(routes) == 0 {
		return "no interface"
	}
	link, err := net.InterfaceByIndex(routes[0].LinkIndex)
	if err != nil {
		return "no interface"
	}
	return link.Name
}
