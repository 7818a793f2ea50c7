package server

import (
	"slices"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/instance"
)

// inService checks what this host is for the inventory, as its server reports it.
func inService(h *host.Facts) []finding.Finding {
	store := h.Server.Status.Store
	if !h.Server.Running() || store == nil {
		return nil // which the check of the server finds
	}
	all := slices.Concat(contested(store), conflicting(store), renamed(h, store))
	if !store.Drained.IsZero() {
		return append(all, drained(h, store)...)
	}
	for _, spare := range store.Spares {
		if spare.Addresses == 0 {
			all = append(all, finding.Warn("no_spare_addresses", "this host has no spare %s address on the network %q: a guest that starts while etcd does not answer gets none", spare.Family, spare.Network).
				Advise("if etcd answers, the network is nearly full: remove guests that no longer exist, or enlarge it; "+fleetPage))
		}
	}
	return all
}

// drained tells which guests still run on a host that is out of service.
func drained(h *host.Facts, store *api.Store) []finding.Finding {
	var names []string
	for _, guest := range h.Guests.List {
		if guest.RunsOn(store.HostID) {
			names = append(names, guest.Name)
		}
	}
	if len(names) == 0 {
		return []finding.Finding{finding.Good("this host is drained, and no guest runs here")}
	}
	slices.Sort(names)
	return []finding.Finding{finding.Warn("drained_host_runs_guests", "this host is drained, and guests run here: %s", strings.Join(names, ", ")).
		Advise("migrate or stop them with libvirt").
		Advise("or put the host back into service: `%s`", finding.Mdserver(h, "host drain --undo"))}
}

// contested finds guests that run here although another host has them.
func contested(store *api.Store) []finding.Finding {
	var all []finding.Finding
	for _, guest := range store.Contested {
		all = append(all, finding.Fail("guest_on_two_hosts", "the guest %q runs here and on the host %s, which has it", guest.Name, guest.Host).
			Advise("stop it on one of the two hosts"))
	}
	return all
}

// conflicting finds networks that other hosts have otherwise.
func conflicting(store *api.Store) []finding.Finding {
	var all []finding.Finding
	for _, c := range store.Networks {
		all = append(all, finding.Warn("network_conflict", "two hosts disagree: %s", c.Problem).Advise("%s; "+fleetPage, c.Remedy))
	}
	return all
}

// renamed finds guests of this host that lack a name because a guest of another host
// has it.
func renamed(h *host.Facts, store *api.Store) []finding.Finding {
	var all []finding.Finding
	for _, guest := range h.Guests.List {
		if guest.HostID != store.HostID {
			continue
		}
		for _, other := range h.Guests.List {
			switch wanted := guest.Wanted; {
			case other.UUID == guest.UUID:
			case wanted.Name != "" && other.Name == wanted.Name:
				all = append(all, finding.Warn("guest_renamed", "the guest %q is called %q, because a guest on the host %s has its name", wanted.Name, guest.Name, other.Host).
					Advise("rename one of the two domains"))
			case wanted.Hostname != "" && sameInDNS(h, wanted.Hostname, other.Hostname):
				all = append(all, finding.Warn("guest_hostname_changed", "the guest %q has the host name %q instead of %q, which the guest %q on the host %s has",
					guest.Name, guest.Hostname, wanted.Hostname, other.Name, other.Host).
					Advise("rename one of the two domains, or set a host name in the metadata of one"))
			}
		}
	}
	return all
}

// sameInDNS reports whether two host names mean the same on one of the networks.
func sameInDNS(h *host.Facts, a, b string) bool {
	return strings.EqualFold(a, b) || slices.ContainsFunc(h.Networks, func(n host.Network) bool {
		return slices.Contains(instance.Network{NamePrefix: n.Prefix, Domain: n.Domain}.ConflictingNames(a), strings.ToLower(b))
	})
}
