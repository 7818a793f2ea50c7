package daemon

import (
	"mdserver/internal/config"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
)

// withheld gives the guests whose records were set aside, as the files beside the
// database have them now.
func (d *Daemon) withheld(cfg *config.Config) []inventory.Withheld {
	all, err := boltstore.Withheld(cfg.Server.Database)
	if err != nil {
		d.log.Error("addresses of guests whose records were set aside may be given to others", "error", err)
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
	return boltstore.CompleteAsides(cfg.Server.Database, snapshot, b.Table.Instances, tableOf(inv.Snapshot()).Instances)
}
