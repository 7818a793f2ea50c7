package kernel

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/rtnl"
)

// Links are the network interfaces of this host.
type Links struct {
	ByName map[string]Link
	Err    error // the kernel did not list them
}

// Link is an interface as it is now.
type Link struct {
	Index  int
	Up     bool
	Addrs  []netip.Addr
	Master string // the bridge or other device that it belongs to, if any
	MAC    string
	Tap    bool // of a machine that this host runs
}

// Has reports whether the interface has an address.
func (l Link) Has(addr netip.Addr) bool { return slices.Contains(l.Addrs, addr.WithZone("")) }

// Have reports whether any interface has an address.
func (l Links) Have(addr netip.Addr) bool {
	for _, link := range l.ByName {
		if slices.Contains(link.Addrs, addr) {
			return true
		}
	}
	return false
}

// ReadLinks reads all interfaces.
func ReadLinks() Links {
	links, err := rtnl.Links()
	if err != nil {
		return Links{Err: err}
	}
	addrs, err := rtnl.Addrs(netlink.FAMILY_ALL)
	if err != nil {
		return Links{Err: err}
	}
	return linksOf(links, addrs)
}

func linksOf(links []netlink.Link, addrs []netlink.Addr) Links {
	names := map[int]string{}
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
	}
	all := Links{ByName: map[string]Link{}}
	for _, link := range links {
		attrs := link.Attrs()
		one := Link{Index: attrs.Index, Up: attrs.Flags&net.FlagUp != 0, Master: names[attrs.MasterIndex],
			MAC: attrs.HardwareAddr.String(), Tap: link.Type() == "tuntap" || link.Type() == "tun"}
		for _, a := range addrs {
			if addr, ok := netip.AddrFromSlice(a.IP); ok && a.LinkIndex == attrs.Index {
				one.Addrs = append(one.Addrs, addr.Unmap())
			}
		}
		all.ByName[attrs.Name] = one
	}
	return all
}

// Route is how packets to an address leave this host.
type Route struct {
	To        netip.Addr
	Exists    bool
	Local     bool           // they stay here
	Tentative bool           // an interface has the address, and does not use it yet
	Link      string         // the interface; "no interface" without one
	By        []netip.Prefix // the routes by that interface that include the address
	ByErr     error
}

// RouteTo asks the kernel for the route to an address.
func RouteTo(addr netip.Addr) Route {
	r := Route{To: addr, Tentative: tentative(addr), Link: "no interface"}
	found, err := netlink.RouteGet(addr.AsSlice())
	if err != nil || len(found) == 0 {
		return r
	}
	r.Exists, r.Local = true, found[0].Type == unix.RTN_LOCAL
	if link, err := net.InterfaceByIndex(found[0].LinkIndex); err == nil {
		r.Link = link.Name
	}
	return r
}

// tentative reports whether an interface has an IPv6 address that it does not
// use yet: a bridge cannot ask whether another has it before a guest is on it
// (RFC 4862, section 5.4).
func tentative(addr netip.Addr) bool {
	all, err := rtnl.Addrs(netlink.FAMILY_V6)
	return err == nil && isTentative(all, addr)
}

func isTentative(all []netlink.Addr, addr netip.Addr) bool {
	return slices.ContainsFunc(all, func(a netlink.Addr) bool {
		return a.IP.Equal(addr.AsSlice()) && a.Flags&unix.IFA_F_TENTATIVE != 0 && a.Flags&unix.IFA_F_DADFAILED == 0
	})
}

// RoutesBy lists the routes by an interface that include an address.
func RoutesBy(name string, to netip.Addr) ([]netip.Prefix, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	family := netlink.FAMILY_V4
	if to.Is6() {
		family = netlink.FAMILY_V6
	}
	routes, err := rtnl.Whole(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(family, &netlink.Route{LinkIndex: link.Index}, netlink.RT_FILTER_OIF)
	})
	if err != nil {
		return nil, err
	}
	return including(routes, to), nil
}

func including(routes []netlink.Route, to netip.Addr) []netip.Prefix {
	var all []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		ones, _ := r.Dst.Mask.Size()
		addr, _ := netip.AddrFromSlice(r.Dst.IP)
		if prefix := netip.PrefixFrom(addr.Unmap(), ones); prefix.Contains(to) {
			all = append(all, prefix)
		}
	}
	return all
}
