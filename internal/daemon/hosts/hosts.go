// Package hosts has what this host does as one of those that share an inventory, and
// what it reports about the others. Without etcd there is this host alone.
package hosts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"mdserver/internal/admin"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/fleet"
	"mdserver/internal/health"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/shell"
)

// Options are what Hosts needs of the server.
type Options struct {
	Store     *store.Store
	Inventory *inventory.Inventory // that was opened with Store
	Config    func() *config.Config
	Contested func() []instance.Instance // guests that run here although another host has them
	Changed   func()                     // is called when something of a host has changed
	Started   time.Time                  // when this server was
	Log       *slog.Logger
}

// Hosts are the hosts of the inventory, as this one sees them. Make them with New.
type Hosts struct {
	store     *store.Store
	inventory *inventory.Inventory
	config    func() *config.Config
	contested func() []instance.Instance
	changed   func()
	started   time.Time
	log       *slog.Logger

	spares chan struct{} // each value has the spare addresses checked
}

// New makes Hosts that follow nothing yet.
func New(opts Options) *Hosts {
	return &Hosts{
		store: opts.Store, inventory: opts.Inventory, config: opts.Config, contested: opts.Contested, changed: opts.Changed,
		started: opts.Started, log: opts.Log, spares: make(chan struct{}, 1),
	}
}

// Shared reports whether other hosts may share the inventory.
func (h *Hosts) Shared() bool { return h.store.Fleet != nil }

// Follow follows the other hosts until ctx ends: it logs what they mean for this one,
// and keeps spare addresses. It must not be called without etcd.
func (h *Hosts) Follow(ctx context.Context) {
	var following sync.WaitGroup
	following.Go(func() { h.keepSpares(ctx) })
	following.Go(func() { h.followFleet(ctx) })
	following.Wait()
}

// Note takes changes of the inventory, for Follow.
func (h *Hosts) Note(events []instance.Event) {
	h.checkSpares()
	h.noteStarts(events)
}

// List lists the hosts of the inventory with their guests.
func (h *Hosts) List() []api.Host {
	cfg := h.config()
	hosts := []api.Host{{Name: store.HostName(cfg), Version: cfg.Service.Version, Since: h.started, State: api.HostAlive, This: true}}
	if h.store.Fleet != nil {
		hosts = nil
		all := h.store.Fleet.Hosts()
		for _, one := range all {
			state := api.HostAlive
			if !one.Alive {
				state = api.HostAway
			}
			hosts = append(hosts, api.Host{ID: one.ID, Name: one.Name, Version: one.Version, Since: one.Since, State: state, This: one.ID == h.store.HostID, Drained: one.Drained,
				Conflicts: networkConflicts(fleet.ConflictsOf(one, all))})
		}
	}
	guests := map[string]int{}
	for guest := range h.inventory.Snapshot().All() {
		guests[guest.HostID]++
	}
	for i := range hosts {
		hosts[i].Guests = guests[hosts[i].ID]
	}
	return hosts
}

var errOneHost = fmt.Errorf("%w: there is one host only, as store.backend is not etcd", admin.ErrHost)

// Forget removes a host from the inventory, and returns how many guests had it.
// Whichever host starts them has them from then on.
func (h *Hosts) Forget(ctx context.Context, id string, force bool) (int, error) {
	switch {
	case h.store.Fleet == nil:
		return 0, errOneHost
	case id == h.store.HostID:
		return 0, fmt.Errorf("%w: this is the host that was asked; ask another one", admin.ErrHost)
	}
	if err := h.store.Shared.Link(); err != nil {
		return 0, fmt.Errorf("%w: %w", inventory.ErrStore, err)
	}
	alive := fmt.Errorf("%w: it is alive; stop mdserver there, or use --force", admin.ErrHost)
	if !force && h.store.Fleet.Alive(id) {
		return 0, alive
	}
	guests := 0
	err := h.store.Fleet.Forget(ctx, id, force, func(ctx context.Context) (err error) {
		guests, err = h.inventory.ForgetHost(ctx, id)
		return err
	})
	if errors.Is(err, fleet.ErrAlive) {
		err = alive
	}
	return guests, err
}

// Trouble lists what is wrong with the inventory in etcd and with the hosts that share
// it; nil without etcd.
func (h *Hosts) Trouble() []health.Trouble {
	if h.store.Shared == nil {
		return nil
	}
	all := append(h.unsharedTrouble(), h.fleetTrouble()...)
	return append(all, storeTrouble(h.store.Shared.State(), filepath.Dir(h.config().Server.Database))...)
}

// storeTrouble reports that the inventory in etcd cannot be followed, or that it cannot be
// saved in dir, the directory of the database.
func storeTrouble(s etcdstore.State, dir string) []health.Trouble {
	var all []health.Trouble
	if s.NotSaved != nil {
		all = append(all, health.Trouble{Part: "database", State: health.Wrong, Look: []string{"df -h " + shell.Quote(dir)},
			Message: "what this host knows of the inventory in etcd could not be saved; it is tried again: " + s.NotSaved.Error()})
	}
	if s.Err != nil {
		all = append(all, health.Trouble{Part: "etcd", State: health.Wrong, Look: []string{"mdserver doctor"},
			Message: "the inventory cannot be followed; guests are served as before, and new ones get spare addresses of this host: " + s.Err.Error()})
	}
	return all
}

// fleetTrouble reports hosts that cannot be told apart, and guests that run on two.
func (h *Hosts) fleetTrouble() []health.Trouble {
	var all []health.Trouble
	if err := h.store.Fleet.Trouble(); err != nil {
		all = append(all, health.Trouble{Part: "etcd", State: health.Wrong, Look: []string{"mdserver host ls"}, Message: err.Error()})
	}
	all = append(all, h.drainTrouble()...)
	for _, c := range h.store.Fleet.Conflicts() {
		all = append(all, health.Trouble{Part: "etcd", State: health.Warning, Look: []string{"mdserver host ls -o json"}, Message: c.Problem + "; " + c.Remedy()})
	}
	for _, guest := range h.contested() {
		all = append(all, health.Trouble{Part: "etcd", State: health.Wrong, Look: []string{"mdserver explain " + shell.Quote(guest.Name)},
			Message: fmt.Sprintf("the guest %q runs here and on the host %s, which has it; stop it on one of them", guest.Name, guest.Host)})
	}
	return all
}
