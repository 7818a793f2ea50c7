package daemon

import (
	"time"

	"mdserver/internal/api"
)

// storeStatus is the state of the inventory in etcd, or nil without etcd.
func (d *Daemon) storeStatus(networks []api.Network) *api.Store {
	if d.store.Shared == nil {
		return nil
	}
	state := d.store.Shared.State()
	s := &api.Store{
		HostID:    d.store.HostID,
		Connected: state.Err == nil,
		Revision:  state.Revision,
		Staleness: time.Since(state.Current).Seconds(),
		Members:   len(d.config.Load().Store.Endpoints),
		Spares:    d.spareAddresses(networks),
		Unshared:  len(d.unshared()),
		Conflicts: d.inventory.Conflicts(),
		Contested: []api.Contested{},
		Networks:  networkConflicts(d.store.Fleet.Conflicts()),
	}
	if state.Err != nil {
		s.Error = state.Err.Error()
	}
	for _, guest := range d.libvirt.presence.Contested() {
		s.Contested = append(s.Contested, api.Contested{Name: guest.Name, UUID: guest.UUID, Host: guest.Host})
	}
	for _, m := range d.store.Etcd.Members() {
		if m.Usable() {
			s.Usable++
		}
	}
	s.Drained, _ = d.store.Fleet.Drained()
	return s
}

// spareAddresses counts the spare addresses of this host, by network and family.
func (d *Daemon) spareAddresses(networks []api.Network) []api.SpareAddresses {
	list := []api.SpareAddresses{}
	for _, n := range networks {
		count := map[bool]int{} // by whether it is IPv4
		for _, spare := range d.inventory.Snapshot().Spares() {
			if spare.Owner == d.store.Shared.ID() && spare.Network == n.Name {
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
