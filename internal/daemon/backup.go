package daemon

import (
	"io"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
)

// backup writes all that the server keeps. The guests are a snapshot of the
// inventory, which holds what is durable and takes no lock, so a backup holds up
// no registration.
func (d *Daemon) backup(w io.Writer) error {
	cfg := d.config.Load()
	snapshot := d.inventory.Snapshot()
	table := instance.Table{Resting: snapshot.Resting()}
	for guest := range snapshot.All() {
		table.Instances = append(table.Instances, *guest)
	}
	notes, err := d.notes.Notes()
	if err != nil {
		return err
	}
	authority, err := backup.ReadIdentity(cfg.Server.Database)
	if err != nil {
		return err
	}
	return backup.Write(w, backup.New(cfg.Service.Hostname, config.Version, table, notes, authority))
}
