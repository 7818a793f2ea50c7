package host

import (
	"cmp"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/doctor/system"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/table"
)

// Network is one network of guests to serve.
type Network struct {
	Name       string // libvirt's
	Bridge     string
	Gateway    netip.Addr
	Gateway6   netip.Addr // zero: no IPv6
	IPv4       netip.Prefix
	IPv6       netip.Prefix
	Reserved   []instance.AddrRange
	UseDNS     bool
	Prefix     string // before the guests' names in DNS
	Domain     string
	Order      []string // which names a guest has
	Run        string   // of its dnsmasq: child, external, off
	Libvirt    bool     // libvirt's own dnsmasq serves it
	Leases     int      // how many that dnsmasq grants at a time; 0 for any number
	DnsmasqPID int      // by the file that the server's dnsmasq writes; 0 if there is none
	Returns    []Return // the routes to its guests
}

// Return is the route of answers to the guests of a prefix.
type Return struct {
	Prefix netip.Prefix
	Route  kernel.Route
}

// OwnDnsmasq reports whether a dnsmasq of mdserver's serves the network.
func (n Network) OwnDnsmasq() bool { return !n.Libvirt && n.Run != "off" }

// Known reports whether there is enough to look at the network: what libvirt
// alone knows of it is known while the server runs.
func (n Network) Known() bool { return n.Bridge != "" && n.IPv4.IsValid() && n.Gateway.IsValid() }

// networksOf lists the networks of the configuration. What it leaves to libvirt
// is filled in by what the running server and libvirt know.
func networksOf(cfg *config.Config, status api.Status, libvirt Libvirt) []Network {
	var all []Network
	for _, c := range cfg.Networks {
		n := Network{
			Name: c.Name, Bridge: c.Interface, Gateway: c.Gateway, Gateway6: c.Gateway6,
			IPv4: c.Network, IPv6: c.Network6, Reserved: c.Reserved,
			UseDNS: c.UseDNS, Prefix: c.Prefix, Domain: c.Domain, Order: c.EntryOrder, Run: c.Run, Libvirt: c.Backend == config.BackendLibvirt,
		}
		for _, live := range status.Networks {
			if live.Name == n.Name {
				n.complete(live)
			}
		}
		if found, ok := libvirt.Network(n.Name); ok && n.Libvirt {
			n.Bridge = found.Bridge
		}
		all = append(all, n)
	}
	return all
}

func (n *Network) complete(live api.Network) {
	if live.Libvirt != nil {
		n.Leases = live.Libvirt.Leases
	}
	n.Bridge, n.Domain = cmp.Or(n.Bridge, live.Bridge), cmp.Or(n.Domain, live.Domain)
	if prefix, err := netip.ParsePrefix(live.IPv4); err == nil && !n.IPv4.IsValid() {
		n.IPv4, n.Gateway = prefix, prefix.Addr().Next()
	}
	if prefix, err := netip.ParsePrefix(live.IPv6); err == nil && !n.IPv6.IsValid() {
		n.IPv6, n.Gateway6 = prefix, prefix.Addr().Next()
	}
}

// MetadataAddresses are the addresses that guests request metadata from.
func (h *Facts) MetadataAddresses() []netip.Addr { return metadataAddresses(h.Config) }

func metadataAddresses(cfg *config.Config) []netip.Addr {
	return append([]netip.Addr{cfg.Server.ListenAddress}, cfg.ListenAddresses6()...)
}

// readPID reads the file in which the dnsmasq of a network writes its process.
func readPID(dir, network string) int {
	text, err := os.ReadFile(filepath.Join(dir, network+".pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// routesTo reads the routes to the metadata addresses.
func routesTo(cfg *config.Config) map[string]kernel.Route {
	routes := map[string]kernel.Route{}
	for _, addr := range metadataAddresses(cfg) {
		if !addr.IsUnspecified() && addr.Zone() == "" {
			routes[addr.String()] = kernel.RouteTo(addr)
		}
	}
	return routes
}

// returns reads the routes to the guests of a network whose bridge is there.
func returns(n Network, links kernel.Links) []Return {
	link, there := links.ByName[n.Bridge]
	if !there || !n.Known() {
		return nil
	}
	var all []Return
	for _, prefix := range []netip.Prefix{n.IPv4, n.IPv6} {
		if !prefix.IsValid() {
			continue
		}
		route := kernel.RouteTo(firstGuest(prefix, link))
		if route.Exists && route.Link != n.Bridge {
			route.By, route.ByErr = kernel.RoutesBy(route.Link, route.To)
		}
		all = append(all, Return{prefix, route})
	}
	return all
}

// firstGuest is the first address of a network that its bridge does not have.
func firstGuest(prefix netip.Prefix, bridge kernel.Link) netip.Addr {
	guest := prefix.Addr().Next()
	for bridge.Has(guest) {
		guest = guest.Next()
	}
	return guest
}

// bridges are those of the networks that are known.
func bridges(networks []Network) []string {
	var names []string
	for _, n := range networks {
		if n.Known() {
			names = append(names, n.Bridge)
		}
	}
	return names
}

// trees reads the spanning trees of the bridges with port security.
func (r reader) trees(status api.Status) map[string]kernel.Tree {
	trees := map[string]kernel.Tree{}
	for _, n := range status.Networks {
		if n.PortSecurity.On {
			trees[n.Bridge] = r.kernel.Tree(n.Bridge)
		}
	}
	return trees
}

// ReadUplinks reads the uplinks of the bridges that are known, who answers there for
// the metadata addresses, and what port security does there.
func (h *Facts) ReadUplinks() {
	h.Uplinks = h.Links.Uplinks(bridges(h.Networks))
	if len(h.Uplinks) == 0 {
		return
	}
	h.Links.Ask(h.Uplinks, plan.MetadataAddrs())
	h.Roles, h.RolesErr = table.Roles()
}

// dnsmasq asks the program for its version if a network needs it.
func (r reader) dnsmasq(ctx context.Context, program string, networks []Network) system.Dnsmasq {
	if !slices.ContainsFunc(networks, Network.OwnDnsmasq) {
		return system.Dnsmasq{}
	}
	return r.system.Dnsmasq(ctx, program)
}
