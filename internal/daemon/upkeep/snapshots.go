package upkeep

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"mdserver/internal/build"
	"mdserver/internal/health"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/pace"
	"mdserver/internal/shell"
)

const (
	// snapshotAge is how old the newest snapshot may be.
	snapshotAge = 24 * time.Hour
	// snapshotLook is how often that is checked. A snapshot that failed is tried
	// again as often.
	snapshotLook = 10 * time.Minute
)

// KeepSnapshots makes a snapshot a day until ctx ends. It holds up no
// registration.
func (u *Upkeep) KeepSnapshots(ctx context.Context) {
	u.snapshotOfTheDay(ctx)
	pace.Every(ctx, snapshotLook, func() { u.snapshotOfTheDay(ctx) })
}

func (u *Upkeep) snapshotOfTheDay(ctx context.Context) {
	cfg := u.config()
	all, err := backup.Snapshots(cfg.Server.Database)
	// If the clock was set back, the first ones are of the future.
	if err == nil && slices.ContainsFunc(all, func(s backup.Snapshot) bool { return time.Since(s.Created).Abs() < snapshotAge }) {
		return
	}
	u.Snapshot(ctx, backup.Daily)
}

// Snapshot makes a snapshot of the guests as they are now, if there are any
// and the configuration wants it. A failure is logged, and is a trouble until the next.
func (u *Upkeep) Snapshot(ctx context.Context, reason backup.Reason) {
	cfg := u.config()
	if cfg.Server.Snapshots == 0 || u.inventory.Snapshot().Len() == 0 {
		return
	}
	b, err := u.Backup(ctx)
	if err == nil {
		b.Header.Reason = reason
		err = backup.Save(cfg.Server.Database, b, cfg.Server.Snapshots)
	}
	if err != nil && errors.Is(err, ctx.Err()) {
		return // the server stops, or who asked for an import has left
	}
	if err != nil {
		u.log.Error("the snapshot of the database failed", "error", err)
		u.snapshotFailure.Store(&health.Trouble{Part: "snapshots", State: health.Wrong, Since: time.Now(),
			Message: "the snapshot of the database failed: " + err.Error(),
			Look:    []string{"ls -ld " + shell.Quote(backup.SnapshotDir(cfg.Server.Database))}})
		return
	}
	u.snapshotFailure.Store(nil)
	u.log.Info("made a snapshot of the database", "directory", backup.SnapshotDir(cfg.Server.Database), "guests", b.Header.Guests)
}

// Backup is all that the server keeps. The guests are a snapshot of the
// inventory, which holds what is durable and takes no lock, so a backup holds up
// no registration.
func (u *Upkeep) Backup(ctx context.Context) (*backup.Backup, error) {
	cfg := u.config()
	table := u.inventory.Snapshot().Table()
	notes, err := u.database.Notes(ctx)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(notes, func(key, _ string) bool { return storage.IsMomentary(key) })
	authority, err := backup.ReadIdentity(cfg.Server.Identity)
	if err != nil {
		return nil, err
	}
	return backup.New(cfg.Service.Hostname, build.Version, table, notes, authority), nil
}
