package hosts

import (
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// Store is the state of the inventory in etcd, or nil without etcd. networks are those
// of this host.
func (h *Hosts) Store(networks []api.Network) *api.Store {
	if h.store.Shared == nil {
		return nil
	}
	state := h.store.Shared.State()
	s := &api.Store{
		HostID:    h.store.HostID,
		Connected: state.Err == nil,
		Revision:  state.Revision,
		Staleness: time.Since(state.Current).Seconds(),
		Members:   len(h.config().Store.Endpoints),
		Spares:    spareAddresses(h.inventory.Snapshot().Spares(), h.store.Shared.ID(), networks),
		Unshared:  len(h.unshared()),
		Conflicts: h.inventory.Conflicts(),
		Contested: []api.Contested{},
		Networks:  networkConflicts(h.store.Fleet.Conflicts()),
	}
	if state.Err != nil {
		s.Error = state.Err.Error()
	}
	for _, guest := range h.contested() {
		s.Contested = append(s.Contested, api.Contested{Name: guest.Name, UUID: guest.UUID, Host: guest.Host})
	}
	for _, m := range h.store.Etcd.Members() {
		if m.Usable() {
			s.Usable++
		}
	}
	s.Drained, _ = h.store.Fleet.Drained()
	return s
}

// spareAddresses counts the spare addresses that a host has claimed on its networks, by
// network and family. owner is the ID of the host's store.
func spareAddresses(spares []instance.Spare, owner string, networks []api.Network) []api.SpareAddresses {
	list := []api.SpareAddresses{}
	for _, n := range networks {
		count := map[bool]int{} // by whether it is IPv4
		for _, spare := range spares {
			if spare.Owner == owner && spare.Network == n.Name {
				count[spare.Addr.Is4()]++
			}
		}
		if n.IPv4 != "" {
			list = append(list, api.SpareAddresses{Network: n.Name, Family: "ipv4", Addresses: count[true]})
		}
		if n.IPv6 != "" {
			list = append(list, api.SpareAddresses{Network: n.Name, Family: "ipv6", Addresses: count[false]})
		}
	}
	return list
}
