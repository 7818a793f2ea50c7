package networks

import (
	"context"
	"net/netip"
	"slices"

	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/hostaddr"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/network"
)

// Changed receives a value after a network has become another than it was, by
// itself or by Refresh. Describe tells what it is.
func (s *Networks) Changed() <-chan struct{} { return s.changed }

// Refresh looks whether the networks are still what they were, and reports
// whether one is not. It is for registrations, which are about to choose
// addresses, and does not wait long.
func (s *Networks) Refresh(ctx context.Context) (changed bool) {
	for _, m := range s.list() {
		if m.refresh(ctx) {
			changed = true
		}
	}
	return changed
}

// Describe returns the networks of a configuration, with what their backends
// know of them. One that overlaps another network cannot be served.
func (s *Networks) Describe(cfg *config.Config) []instance.Network {
	all := Configured(cfg)
	members := s.list()
	for i, configured := range cfg.Networks {
		n := &all[i]
		at := slices.IndexFunc(members, func(m member) bool { return m.serves(configured) })
		if at < 0 {
			continue // Reconfigure makes its backend
		}
		members[at].describe(n)
		overlaps := func(o instance.Network) bool { return o.Name != n.Name && n.Overlaps(o) }
		if other := slices.IndexFunc(all, overlaps); other >= 0 {
			s.log.Error("network not served: it overlaps another one", "network", n.Name, "prefix", n.IPv4, "other", all[other].Name)
			n.IPv4, n.Pending = netip.Prefix{}, true
		}
	}
	return all
}

// Status is what a network's backend reports about itself.
type Status struct {
	Network instance.Network // as the backend knows it
	Backend string           // as the configuration names it
	Trouble string           // what is wrong; "" for nothing
	Dnsmasq *dnsmasq.Status  // of this backend only
	Libvirt *network.Status  // of this backend only
}

// Status tells the present state of each network, in the order of the
// configuration. It never waits for a change under way.
func (s *Networks) Status() []Status {
	var list []Status
	for _, m := range s.list() {
		st := m.status()
		st.Backend = m.Backend
		st.Network = instance.Network{Name: m.Name, Bridge: m.Interface, IPv4: m.Network.Network, IPv6: m.Network6, Domain: m.Domain,
			PerHost: m.Scope == config.ScopeHost}
		m.describe(&st.Network)
		list = append(list, st)
	}
	return list
}

// Configured returns the networks of a configuration as far as that says what
// they are.
func Configured(cfg *config.Config) []instance.Network {
	all := make([]instance.Network, 0, len(cfg.Networks))
	own := ownAddresses(cfg)
	for _, n := range cfg.Networks {
		all = append(all, instance.Network{
			Name: n.Name, Bridge: n.Interface, Pending: n.Backend == config.BackendLibvirt,
			IPv4: n.Network, IPv6: n.Network6, Excluded: excluded(n, own),
			Gateway4: n.Gateway, Gateway6: n.Gateway6, DNS: guestDNS(n), Domain: n.Domain, NamePrefix: n.Prefix,
			PerHost: n.Scope == config.ScopeHost, PortSecurity: n.PortSecurity, Search: n.DomainSearch, MTU: n.MTU,
		})
	}
	return all
}

// guestDNS lists the DNS servers that guests get: this host's own addresses on
// their network, as in the DHCP options.
func guestDNS(n config.Network) []netip.Addr {
	if !n.UseDNS || !n.Gateway.IsValid() {
		return nil
	}
	servers := []netip.Addr{n.Gateway}
	if n.Gateway6.IsValid() {
		servers = append(servers, n.Gateway6)
	}
	return servers
}

// ownAddresses are every address that the server or this host has.
func ownAddresses(cfg *config.Config) []netip.Addr {
	own := append(hostaddr.All(), cfg.Server.ListenAddress)
	return append(own, cfg.ListenAddresses6()...)
}

// excluded lists what no guest of a network may be given: the gateway, this
// host's own addresses, and the reserved ranges.
func excluded(n config.Network, own []netip.Addr) []instance.AddrRange {
	var ranges []instance.AddrRange
	for _, addr := range slices.Concat(own, []netip.Addr{n.Gateway, n.Gateway6, n.ListenAddress}) {
		if addr.IsValid() {
			ranges = append(ranges, instance.AddrRange{First: addr, Last: addr})
		}
	}
	return slices.Concat(ranges, n.Reserved, n.Reserved6)
}
