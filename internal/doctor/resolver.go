package doctor

import (
	"context"
	"os"
	"slices"
	"strings"
)

// resolvedDir is there while systemd-resolved runs (systemd-resolved.service(8)).
const resolvedDir = "/run/systemd/resolve"

// checkResolver asks systemd-resolved, if it runs, whether this host sends queries
// for guests' names to the networks' DNS servers.
//
// Source: resolvectl(1).
func checkResolver(ctx context.Context, h *Host) []Finding {
	if _, err := os.Stat(resolvedDir); err != nil {
		return []Finding{fine("this host does not run systemd-resolved")}
	}
	servers, err := run(ctx, "resolvectl", "dns")
	if err != nil {
		return []Finding{unknown("systemd-resolved does not answer: %v", err)}
	}
	domains, err := run(ctx, "resolvectl", "domain")
	if err != nil {
		return []Finding{unknown("systemd-resolved does not answer: %v", err)}
	}
	return unless(h.unresolved(scopes(servers), scopes(domains)), fine("this host resolves the guests' names"))
}

// unresolved finds the networks whose domains are not sent to their DNS servers.
func (h *Host) unresolved(servers, domains map[string][]string) []Finding {
	var all []Finding
	for _, n := range h.Networks {
		if !n.known() || !n.UseDNS || n.Domain == "" || n.Run == "off" || isRouted(n, servers, domains) {
			continue
		}
		all = append(all, warning("names_not_resolved", "this host does not resolve names of guests in %s, the domain of the network %q", n.Domain, n.Name).
			advise("ignore this if this host need not resolve them; the settings last until the bridge goes, and the guide to names shows how to keep them").
			mend(command("resolvectl dns %s %s", n.Bridge, n.Gateway), command("resolvectl domain %s %s", n.Bridge, "~"+n.Domain)))
	}
	return all
}

// isRouted reports whether queries for a network's domain go to its DNS server.
func isRouted(n Network, servers, domains map[string][]string) bool {
	for scope, names := range domains {
		routes := slices.ContainsFunc(names, func(name string) bool {
			return strings.EqualFold(strings.TrimSuffix(strings.TrimPrefix(name, "~"), "."), n.Domain)
		})
		if routes && slices.Contains(servers[scope], n.Gateway.String()) {
			return true
		}
	}
	return false
}

// scopes reads a list of resolvectl: what each link has, and the whole host. A long
// list is continued in indented lines.
func scopes(text string) map[string][]string {
	all := map[string][]string{}
	var scope string
	for line := range strings.Lines(text) {
		words := line
		if !strings.HasPrefix(line, " ") {
			scope, words, _ = strings.Cut(line, ":")
		}
		all[scope] = append(all[scope], strings.Fields(words)...)
	}
	return all
}
