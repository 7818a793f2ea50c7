package hosts

import (
	"mdserver/internal/api"
	"mdserver/internal/fleet"
)

// networkConflicts reports conflicts of the networks of hosts.
func networkConflicts(found []fleet.Conflict) []api.NetworkConflict {
	list := []api.NetworkConflict{}
	for _, c := range found {
		list = append(list, api.NetworkConflict{Network: c.Network, Hosts: c.Hosts[:], Keys: c.Keys, Problem: c.Problem, Remedy: c.Remedy()})
	}
	return list
}

// noteConflicts logs conflicts of this host's networks with those of other hosts, each once.
func (h *Hosts) noteConflicts(logged map[string]bool) {
	for _, c := range h.store.Fleet.Conflicts() {
		if logged[c.Problem] {
			continue
		}
		logged[c.Problem] = true
		h.log.Warn("two hosts disagree on a network", "network", c.Network, "other", c.Hosts[1], "problem", c.Problem, "remedy", c.Remedy())
	}
}
