package config

import (
	"net/netip"
	"slices"

	"mdserver/internal/config/kind"
	"mdserver/internal/instance"
)

// Metrics is the section [metrics].
type Metrics struct {
	Listen []netip.AddrPort // for monitoring; none: not served by TCP
}

var metricsKeys = []key{
	{
		section: "metrics", name: "listen", def: "",
		doc: "Addresses with a port on which monitoring is served by HTTP, separated by commas:\n" +
			"`/metrics`, `/healthz`, `/readyz`, and `/sd`, the list of guests. A port alone is on\n" +
			"127.0.0.1. Everyone who reaches such an address may read these, so do not let guests\n" +
			"reach it. If it is not set, only the command `mdserver metrics` shows the metrics.",
		example: "127.0.0.1:9810",
		binding: bind(kind.Endpoints, func(c *Config) *[]netip.AddrPort { return &c.Metrics.Listen }),
	},
}

// checkMetrics warns about addresses that guests can reach. The prefix of a
// network that libvirt runs is not known here.
func (l *loader) checkMetrics() {
	for _, at := range l.config.Metrics.Listen {
		addr := at.Addr()
		onNetwork := slices.ContainsFunc(l.config.Networks, func(n Network) bool {
			return n.Network.Contains(addr) || n.Network6.Contains(addr)
		})
		if addr.IsUnspecified() || onNetwork || addr == instance.Metadata4 || addr == instance.Metadata6 {
			l.warnAt(l.place("metrics.listen"), "lets guests read the metrics and the names and addresses of all guests at %s, unless a firewall refuses them", at)
		}
	}
}
