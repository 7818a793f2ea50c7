package daemon

import (
	"cmp"
	"fmt"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/health"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/backup"
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

// completeAsides adds to the records that were set aside what the newest snapshot
// has of their guests: a damaged record may not tell its address.
func (d *Daemon) completeAsides(cfg *config.Config, inv *inventory.Inventory) error {
	if len(boltstore.Asides(cfg.Server.Database)) == 0 {
		return nil
	}
	snapshot := backup.NewestSound(cfg.Server.Database)
	if snapshot == "" {
		return nil
	}
	b, err := backup.ReadFile(snapshot)
	if err != nil {
		return err
	}
	return boltstore.CompleteAsides(cfg.Server.Database, snapshot, b.Table.Instances, inv.Snapshot().Table().Instances)
}

// withheldNow lists the guests whose records were set aside and that were not
// registered again.
func (d *Daemon) withheldNow() []api.Withheld {
	var all []api.Withheld
	for _, w := range d.inventory.Withheld() {
		all = append(all, api.Withheld{UUID: w.UUID, Name: w.Name, Hostname: w.Hostname, Addrs: w.Addrs, File: w.File})
	}
	return all
}

func withheldTrouble(all []api.Withheld) string {
	var names []string
	for _, w := range all {
		names = append(names, cmp.Or(w.Name, w.UUID.String()))
	}
	return fmt.Sprintf("%d guests are not served, because their records were set aside; their addresses and names are reserved: %s; see `mdserver explain NAME`",
		len(all), health.SomeOf(names))
}
