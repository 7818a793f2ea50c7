package daemon

import (
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
)

// inventoryOptions are the rules of the inventory, with what is withheld now.
func (d *Daemon) inventoryOptions(cfg *config.Config, networks []instance.Network) inventory.Options {
	opts := inventoryOptions(cfg, d.hostsFile, networks)
	opts.Withheld, opts.Log = d.withheld(cfg), d.log
	if d.store.Fleet != nil {
		opts.HostID, opts.HostName, opts.Alive, opts.Drained = d.store.HostID, store.HostName(cfg), d.store.Fleet.Alive, d.store.Drained
	}
	return opts
}

// withheld gives the guests whose records were set aside, as the files beside the
// database have them now.
func (d *Daemon) withheld(cfg *config.Config) []inventory.Withheld {
	all, err := boltstore.Withheld(cfg.Server.Database)
	if err != nil {
		d.log.Error("addresses of guests whose records were set aside are not reserved", "error", err)
	}
	return all
}
