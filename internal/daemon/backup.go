package daemon

import (
	"io"

	"mdserver/internal/inventory/backup"
)

// backup writes all that the server keeps.
func (d *Daemon) backup(w io.Writer) error {
	b, err := d.backupOf(d.config.Load(), d.inventory)
	if err != nil {
		return err
	}
	return backup.Write(w, b)
}
