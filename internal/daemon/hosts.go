package daemon

import (
	"context"
	"errors"
	"fmt"

	"mdserver/internal/admin"
	"mdserver/internal/api"
	"mdserver/internal/daemon/store"
	"mdserver/internal/fleet"
	"mdserver/internal/health"
	"mdserver/internal/inventory"
	"mdserver/internal/shell"
)

// listHosts lists the hosts of the inventory with their guests.
func (d *Daemon) listHosts() []api.Host {
	cfg := d.config.Load()
	hosts := []api.Host{{Name: store.HostName(cfg), Version: cfg.Service.Version, Since: d.started, State: api.HostAlive, This: true}}
	if d.store.Fleet != nil {
		hosts = nil
		all := d.store.Fleet.Hosts()
		for _, h := range all {
			state := api.HostAlive
			if !h.Alive {
				state = api.HostAway
			}
			hosts = append(hosts, api.Host{ID: h.ID, Name: h.Name, Version: h.Version, Since: h.Since, State: state, This: h.ID == d.store.HostID, Drained: h.Drained,
				Conflicts: networkConflicts(fleet.ConflictsOf(h, all))})
		}
	}
	guests := map[string]int{}
	for guest := range d.inventory.Snapshot().All() {
		guests[guest.HostID]++
	}
	for i := range hosts {
		hosts[i].Guests = guests[hosts[i].ID]
	}
	return hosts
}

var errOneHost = fmt.Errorf("%w: there is one host only, as store.backend is not etcd", admin.ErrHost)

// forgetHost removes a host from the inventory, and returns how many guests had it.
// Whichever host starts them has them from then on.
func (d *Daemon) forgetHost(ctx context.Context, id string, force bool) (int, error) {
	switch {
	case d.store.Fleet == nil:
		return 0, errOneHost
	case id == d.store.HostID:
		return 0, fmt.Errorf("%w: this is the host that was asked; ask another one", admin.ErrHost)
	}
	if err := d.store.Shared.Link(); err != nil {
		return 0, fmt.Errorf("%w: %w", inventory.ErrStore, err)
	}
	alive := fmt.Errorf("%w: it is alive; stop mdserver there, or use --force", admin.ErrHost)
	if !force && d.store.Fleet.Alive(id) {
		return 0, alive
	}
	guests, err := d.inventory.ForgetHost(ctx, id)
	if err != nil {
		return 0, err
	}
	if err = d.store.Fleet.Forget(ctx, id, force); errors.Is(err, fleet.ErrAlive) {
		err = alive
	}
	return guests, err
}

// fleetTrouble reports hosts that cannot be told apart, and guests that run on two.
func (d *Daemon) fleetTrouble() []health.Trouble {
	var all []health.Trouble
	if err := d.store.Fleet.Trouble(); err != nil {
		all = append(all, health.Trouble{Part: "etcd", State: health.Wrong, Look: []string{"mdserver host ls"}, Message: err.Error()})
	}
	all = append(all, d.drainTrouble()...)
	for _, c := range d.store.Fleet.Conflicts() {
		all = append(all, health.Trouble{Part: "etcd", State: health.Warning, Look: []string{"mdserver host ls -o json"}, Message: c.Problem + "; " + c.Remedy()})
	}
	for _, guest := range d.libvirt.presence.Contested() {
		all = append(all, health.Trouble{Part: "etcd", State: health.Wrong, Look: []string{"mdserver explain " + shell.Quote(guest.Name)},
			Message: fmt.Sprintf("the guest %q runs here and on the host %s, which has it; stop it on one of them", guest.Name, guest.Host)})
	}
	return all
}
