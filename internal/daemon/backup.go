package daemon

import (
	"context"
	"io"

	"mdserver/internal/inventory/backup"
)

// backup writes all that the server keeps.
func (d *Daemon) backup(ctx context.Context, w io.Writer) error {
	b, err := d.upkeep.Backup(ctx)
	if err != nil {
		return err
	}
	return backup.Write(w, b)
}
