// Package upkeep keeps the database usable while the server runs: its file is in its
// place, there is a snapshot of each day, and what is wrong is known.
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/health"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logging/once"
	"mdserver/internal/pace"
	"mdserver/internal/shell"
)

// Upkeep is the upkeep of a database. Make it with New.
type Upkeep struct {
	inventory *inventory.Inventory
	database  *boltstore.Store // that the inventory is kept in, or a cache of it, and notes
	config    func() *config.Config
	log       *slog.Logger

	snapshotFailure atomic.Pointer[health.Trouble] // of the last snapshot; nil: it was made
	databaseFailure atomic.Pointer[health.Trouble] // of the database's file; nil: it is in its place
}

// New makes the upkeep of a database that an inventory is open in.
func New(inv *inventory.Inventory, database *boltstore.Store, config func() *config.Config, log *slog.Logger) *Upkeep {
	return &Upkeep{inventory: inv, database: database, config: config, log: log}
}

// period is how often the file is checked.
const period = 2 * time.Second

// KeepDatabase puts the database's file back when it was removed or replaced, reads
// it again when another program has written to it, and brings it back to a known
// state after a failed write, until ctx ends.
func (u *Upkeep) KeepDatabase(ctx context.Context) {
	var complaint once.Complaint
	pace.Every(ctx, period, func() {
		if u.inventory.WriteFailure() != nil {
			_ = u.inventory.Settle(ctx) // WriteFailure tells whether that helped
		}
		err := u.database.Keep()
		if errors.Is(err, boltstore.ErrAltered) {
			u.log.Warn("another program has written to the database's file, which is read again")
			err = u.inventory.Reload(ctx)
		}
		if complaint.New(err) {
			u.log.Error("the database is not in its place", "error", err)
			u.databaseFailure.Store(&health.Trouble{Part: "database", State: health.Wrong, Since: time.Now(),
				Message: err.Error(), Look: []string{"ls -la " + shell.Quote(filepath.Dir(u.config().Server.Database))}})
		}
		if err == nil {
			u.databaseFailure.Store(nil)
		}
	})
}

// longWrite is how long the database may take for a write without a report.
const longWrite = 5 * time.Second

// Trouble lists what is wrong with the database and its snapshots.
func (u *Upkeep) Trouble() []health.Trouble {
	all := u.databaseTrouble()
	if failure := u.snapshotFailure.Load(); failure != nil {
		all = append(all, *failure)
	}
	return all
}

func (u *Upkeep) databaseTrouble() []health.Trouble {
	var all []health.Trouble
	look := []string{"df -h " + shell.Quote(filepath.Dir(u.config().Server.Database)), "journalctl -k -n 50"}
	displaced := u.databaseFailure.Load()
	if failure := u.inventory.WriteFailure(); failure != nil && (displaced == nil || !errors.Is(failure.Err, boltstore.ErrDisplaced)) {
		all = append(all, health.Trouble{Part: "database", State: health.Wrong, Since: failure.Since,
			Message: "the last change was not written: " + failure.Err.Error(), Look: look})
	}
	if displaced != nil {
		all = append(all, *displaced)
	}
	if withheld := u.Withheld(); len(withheld) > 0 {
		all = append(all, health.Trouble{Part: "database", State: health.Wrong, Message: withheldTrouble(withheld)})
	}
	if busy := u.inventory.Writing(); busy > longWrite {
		all = append(all, health.Trouble{Part: "database", State: health.Wrong, Since: time.Now().Add(-busy),
			Message: fmt.Sprintf("a write has taken %s so far: guests are served, but changes wait", busy.Round(time.Second)), Look: look})
	}
	return all
}
