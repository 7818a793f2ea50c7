package network

import (
	"slices"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/portsecurity/plan"
)

// Uplinks checks that guests get metadata from their own host alone, although their
// bridge leads to other machines.
func Uplinks(h *host.Facts) []finding.Finding {
	var all []finding.Finding
	for _, u := range h.Uplinks {
		found := append(leaks(h, u), answers(h, u)...)
		all = append(all, finding.Unless(found, finding.Good("%s leads from %s to other machines; none of them answers for the metadata addresses", u.Name, u.Bridge))...)
	}
	return finding.Unless(all, finding.Good("no bridge leads to other machines"))
}

// leaks finds an uplink of one of several hosts that lets the machines behind it reach
// the metadata addresses of this host.
func leaks(h *host.Facts, u kernel.Uplink) []finding.Finding {
	n := networkOf(h, u.Bridge)
	switch {
	case h.Config.Store.Backend != config.BackendEtcd:
		return nil
	case !asksForSecurity(h, n):
		return []finding.Finding{secure(h, n, finding.Fail("metadata_leaks", "the metadata addresses of this host leak at %s, an uplink of %s: without port security, guests of other hosts may get answers from this one", u.Name, u.Bridge))}
	case h.RolesErr != nil:
		return []finding.Finding{finding.Unchecked("what port security does at %s is not known: %v", u.Name, h.RolesErr)}
	case !slices.Contains([]plan.Role{plan.Uplink, plan.Guest}, h.Roles[u.Name]):
		return []finding.Finding{secure(h, n, finding.Fail("metadata_rules_missing", "the metadata addresses of this host leak at %s, an uplink of %s: port security is on, but the kernel has no rule for that port", u.Name, u.Bridge))}
	}
	return nil
}

// answers finds other machines behind an uplink that answer for the metadata
// addresses. Port security drops what they say.
func answers(h *host.Facts, u kernel.Uplink) []finding.Finding {
	if u.Err != nil {
		return []finding.Finding{finding.Unchecked("who answers for the metadata addresses behind %s is not known: %v", u.Name, u.Err)}
	}
	var all []finding.Finding
	for _, mac := range machines(u) {
		n, addrs := networkOf(h, u.Bridge), addressesOf(u, mac)
		switch {
		case h.RolesErr != nil:
			all = append(all, finding.Unchecked("%s behind %s, an uplink of %s, answers for %s, and it is not known whether port security drops its answers: %v", mac, u.Name, u.Bridge, addrs, h.RolesErr))
		case h.Roles[u.Name] == "":
			all = append(all, secure(h, n, finding.Fail("metadata_answered_by_another", "%s behind %s, an uplink of %s, answers for %s: guests here may get its metadata", mac, u.Name, u.Bridge, addrs)))
		case h.Config.Store.Backend == config.BackendEtcd:
			all = append(all, finding.Warn("metadata_answered_at_uplink", "%s behind %s, an uplink of %s, answers for %s; port security protects the guests here, but not those of every host", mac, u.Name, u.Bridge, addrs).
				Advise("find the host with that MAC address; on a host of this fleet, set port_security to yes for the network, see docs/howto/fleet.md"))
		default:
			all = append(all, finding.Good("%s behind %s answers for %s; port security drops its answers", mac, u.Name, addrs))
		}
	}
	return all
}

// secure adds what brings about port security on a network.
func secure(h *host.Facts, network string, f finding.Finding) finding.Finding {
	if asksForSecurity(h, network) { // and the server does not enforce it
		return f.Restart(h)
	}
	return f.Change(h, finding.Section(h, network), "port_security", "yes")
}

// machines are those that answered, once each.
func machines(u kernel.Uplink) []string {
	var all []string
	for _, a := range u.Answers {
		all = append(all, a.MAC)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// addressesOf lists what one machine answers for.
func addressesOf(u kernel.Uplink, mac string) string {
	var all []string
	for _, a := range u.Answers {
		if a.MAC == mac {
			all = append(all, a.Addr.String())
		}
	}
	return strings.Join(all, ", ")
}

// networkOf is the network of a bridge.
func networkOf(h *host.Facts, bridge string) string {
	i := slices.IndexFunc(h.Networks, func(n host.Network) bool { return n.Bridge == bridge })
	if i < 0 {
		return ""
	}
	return h.Networks[i].Name
}

// asksForSecurity reports whether the configuration asks for port security on a network.
func asksForSecurity(h *host.Facts, network string) bool {
	return slices.ContainsFunc(h.Config.Networks, func(n config.Network) bool { return n.Name == network && n.PortSecurity })
}
