package apply

import (
	"net/netip"
	"slices"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

// keepAddresses adds the metadata addresses to a bridge of those networks whose
// configuration says so.
func (a *Applier) keepAddresses(cfg *config.Config, networks []instance.Network) {
	var bridges []string
	var addrs []netip.Addr
	for i, n := range networks {
		if !cfg.Networks[i].OwnAddress || n.Bridge == "" {
			continue
		}
		bridges = append(bridges, n.Bridge)
		for _, addr := range ownOn(cfg, n) {
			if !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	}
	a.parts.Addresses.Set(bridges, addrs)
}

// ownOn lists the addresses of this server that guests of a network ask at. Of others
// that it listens on, the administrator knows where they belong.
func ownOn(cfg *config.Config, n instance.Network) []netip.Addr {
	var list []netip.Addr
	if listen := cfg.Server.ListenAddress; listen == instance.Metadata4 || listen.IsUnspecified() {
		list = append(list, instance.Metadata4)
	}
	if n.IPv6.IsValid() && (slices.Contains(cfg.ListenAddresses6(), instance.Metadata6) || cfg.Server.ListenAddress == netip.IPv6Unspecified()) {
		list = append(list, instance.Metadata6)
	}
	return list
}
