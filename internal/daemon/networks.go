package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/network"
)

// takeNetworks puts the networks in force, as the configuration and libvirt have
// them now, wherever they are used. Guests get their addresses on those that
// came.
func (d *Daemon) takeNetworks(ctx context.Context) error {
	d.taking.Lock()
	defer d.taking.Unlock()
	cfg := d.config.Load()
	networks := completed(configuredNetworks(cfg), d.serving.views(), d.log)
	d.inventory.Reconfigure(d.inventoryOptions(cfg, networks, d.serving.refresh))
	d.door.SetPolicy(admissionPolicy(cfg, networks))
	d.front.Store(d.newFront(cfg, networks))
	d.keepAddresses(cfg, networks)
	d.ports.Set(networks)
	if err := d.renameReserved(ctx, cfg, networks); err != nil {
		return err
	}
	if placed := places(networks); placed != d.placed {
		d.placed = placed
		moved, err := d.inventory.Reattach(ctx)
		if moved > 0 {
			d.log.Info("guests have other places on the networks now", "guests", moved)
		}
		return err
	}
	return nil
}

// places tells apart lists of networks on which guests have other places.
func places(networks []instance.Network) string {
	text := ""
	for _, n := range networks {
		text += n.Name + " " + n.Bridge + " " + n.IPv4.String() + " " + n.IPv6.String() + "\n"
	}
	return text
}

// completed adds what libvirt tells of its own networks. One that overlaps
// another network cannot be served.
func completed(networks []instance.Network, views map[string]network.View, log *slog.Logger) []instance.Network {
	for i := range networks {
		n := &networks[i]
		view, ok := views[n.Name]
		if !ok {
			continue
		}
		n.Bridge, n.Domain, n.Leased = view.Bridge, view.Domain, view.Leased
		n.MTU = view.MTU
		n.IPv4, n.Gateway4, n.Pending = view.IPv4, view.Gateway, !view.IPv4.IsValid()
		if view.DNS && view.Gateway.IsValid() {
			n.DNS = []netip.Addr{view.Gateway}
		}
		overlaps := func(o instance.Network) bool { return o.Name != n.Name && n.Overlaps(o) }
		if at := slices.IndexFunc(networks, overlaps); at >= 0 {
			log.Error("libvirt's network overlaps another one and is not served", "network", n.Name, "prefix", n.IPv4, "other", networks[at].Name)
			n.IPv4, n.Pending = netip.Prefix{}, true
		}
	}
	return networks
}

// configuredNetworks are the networks as the configuration has them.
func configuredNetworks(cfg *config.Config) []instance.Network {
	networks := make([]instance.Network, 0, len(cfg.Networks))
	own := ownAddresses(cfg)
	for _, n := range cfg.Networks {
		networks = append(networks, instance.Network{
			Name: n.Name, Bridge: n.Interface, Pending: n.Backend == config.BackendLibvirt,
			IPv4: n.Network, IPv6: n.Network6, Excluded: excluded(n, own),
			Gateway4: n.Gateway, Gateway6: n.Gateway6, DNS: guestDNS(n), Domain: n.Domain, NamePrefix: n.Prefix,
			PortSecurity: n.PortSecurity, Search: n.DomainSearch, MTU: n.MTU,
		})
	}
	return networks
}

// guestDNS lists the DNS servers that guests are told of: this host's own
// addresses on their network, as in the DHCP options.
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
	own := append(hostAddresses(), cfg.Server.ListenAddress)
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
	for _, r := range slices.Concat(n.Reserved, n.Reserved6) {
		ranges = append(ranges, instance.AddrRange{First: r.First, Last: r.Last})
	}
	return ranges
}
