package network

import (
	"slices"
	"strings"

	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/system"
)

// Resolver checks whether this host sends queries for guests' names to the
// networks' DNS servers, if systemd-resolved resolves names for it.
func Resolver(h *host.Facts) []finding.Finding {
	switch {
	case !h.Resolver.Runs:
		return []finding.Finding{finding.Good("this host does not run systemd-resolved")}
	case h.Resolver.Err != nil:
		return []finding.Finding{finding.Unchecked("systemd-resolved does not answer: %v", h.Resolver.Err)}
	}
	var all []finding.Finding
	for _, n := range h.Networks {
		if !n.Known() || !n.UseDNS || n.Domain == "" || n.Run == "off" || isRouted(n, h.Resolver) {
			continue
		}
		all = append(all, finding.Warn("names_not_resolved", "this host does not resolve names of guests in %s, the domain of the network %q", n.Domain, n.Name).
			Advise("ignore this if this host need not resolve them; the settings last until the bridge goes, and the guide to names shows how to keep them").
			Mend(finding.Command("resolvectl dns %s %s", n.Bridge, n.Gateway), finding.Command("resolvectl domain %s %s", n.Bridge, "~"+n.Domain)))
	}
	return finding.Unless(all, finding.Good("this host resolves the guests' names"))
}

// isRouted reports whether queries for a network's domain go to its DNS server.
func isRouted(n host.Network, r system.Resolver) bool {
	for scope, names := range r.Domains {
		routes := slices.ContainsFunc(names, func(name string) bool {
			return strings.EqualFold(strings.TrimSuffix(strings.TrimPrefix(name, "~"), "."), n.Domain)
		})
		if routes && slices.Contains(r.Servers[scope], n.Gateway.String()) {
			return true
		}
	}
	return false
}
