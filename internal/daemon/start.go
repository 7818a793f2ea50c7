package daemon

import (
	"context"
	"errors"

	"mdserver/internal/config"
	"mdserver/internal/daemon/apply"
	"mdserver/internal/daemon/sshhosts"
	"mdserver/internal/daemon/store"
	"mdserver/internal/daemon/transfer"
	"mdserver/internal/daemon/upkeep"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/networks"
)

// openInventory opens the store and, at the first start, takes over the guests of
// the Python mdserver's. All that fails leaves the store closed.
func (d *Daemon) openInventory(ctx context.Context, cfg *config.Config) (*inventory.Inventory, error) {
	var err error
	// Requests that are answered after the end of ctx still need etcd.
	if d.store, err = store.Open(context.WithoutCancel(ctx), cfg, d.log); err != nil {
		return nil, err
	}
	options := func() inventory.Options {
		return apply.InventoryOptions(cfg, networks.Configured(cfg), d.store, d.hostsFile, d.log)
	}
	inv, err := inventory.Open(ctx, d.store.Inventory, options())
	if err != nil {
		return nil, errors.Join(err, d.store.Inventory.Close(), d.store.CloseEtcd())
	}
	d.upkeep = upkeep.New(inv, d.store.Database, d.config.Load, d.log)
	if err := d.upkeep.CompleteAsides(); err != nil {
		d.log.Error("records that were set aside could not be completed from a snapshot", "error", err)
	}
	inv.Reconfigure(options()) // with what is withheld now
	d.transfer = transfer.Transfer{Inventory: inv, Database: d.store.Database, Upkeep: d.upkeep, Config: d.config.Load, Started: d.started, Log: d.log}
	if err := d.transfer.TakeOver(ctx); d.refusesStart(err) {
		return nil, errors.Join(err, inv.Close(), d.store.CloseEtcd())
	}
	return inv, nil
}

// refusesStart reports whether a failure ends the start. A change that etcd has not
// taken does not: it is tried again, and guests are served without it.
func (d *Daemon) refusesStart(err error) bool {
	if d.store.Etcd != nil && errors.Is(err, inventory.ErrStore) {
		d.log.Error("etcd has not taken a change at the start; guests are served as they are known", "error", err)
		return false
	}
	return err != nil
}

func (d *Daemon) closeInventory() error { return errors.Join(d.inventory.Close(), d.store.CloseEtcd()) }

// openSSH opens the keys of guests. They are found by their names on the networks
// that are in use.
func (d *Daemon) openSSH(ctx context.Context) (*sshhosts.Hosts, error) {
	return sshhosts.Open(ctx, sshhosts.Options{
		Notes:    d.store.Database,
		Guests:   d.inventory.Snapshot,
		Networks: func() []instance.Network { return d.router.Load().Networks },
		Config:   d.config.Load,
		Log:      d.log,
	})
}
