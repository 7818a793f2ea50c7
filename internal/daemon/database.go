package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"mdserver/internal/health"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logging/once"
	"mdserver/internal/pace"
	"mdserver/internal/shell"
)

// keepDatabase puts the database's file back when it was removed or replaced, reads
// it again when another program has written to it, and brings it back to a known
// state after a failed write, until ctx ends.
func (d *Daemon) keepDatabase(ctx context.Context) {
	var complaint once.Complaint
	pace.Every(ctx, healthPeriod, func() {
		if d.inventory.WriteFailure() != nil {
			_ = d.inventory.Settle(ctx) // WriteFailure tells whether that helped
		}
		err := d.store.Database.Keep()
		if errors.Is(err, boltstore.ErrAltered) {
			d.log.Warn("another program has written to the database's file, which is read again")
			err = d.inventory.Reload(ctx)
		}
		if complaint.New(err) {
			d.log.Error("the database is not in its place", "error", err)
			d.databaseFailure.Store(&health.Trouble{Part: "database", State: health.Wrong, Since: time.Now(),
				Message: err.Error(), Look: []string{"ls -la " + shell.Quote(filepath.Dir(d.config.Load().Server.Database))}})
		}
		if err == nil {
			d.databaseFailure.Store(nil)
		}
	})
}
