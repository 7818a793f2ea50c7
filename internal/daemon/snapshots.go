package daemon

import (
	"context"
	"maps"
	"slices"
	"time"

	"mdserver/internal/build"
	"mdserver/internal/config"
	"mdserver/internal/health"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/etcdstore"
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

// keepSnapshots makes a snapshot a day until ctx ends. It holds up no
// registration.
func (d *Daemon) keepSnapshots(ctx context.Context) {
	d.snapshotOfTheDay(ctx)
	pace.Every(ctx, snapshotLook, func() { d.snapshotOfTheDay(ctx) })
}

func (d *Daemon) snapshotOfTheDay(ctx context.Context) {
	cfg := d.config.Load()
	all, err := backup.Snapshots(cfg.Server.Database)
	// If the clock was set back, the first ones are of the future.
	if err == nil && slices.ContainsFunc(all, func(s backup.Snapshot) bool { return time.Since(s.Created).Abs() < snapshotAge }) {
		return
	}
	d.saveSnapshot(ctx, cfg, d.inventory, backup.Daily)
}

// saveSnapshot makes a snapshot of the guests as they are now, if there are any
// and the configuration wants it.
func (d *Daemon) saveSnapshot(ctx context.Context, cfg *config.Config, inv *inventory.Inventory, reason backup.Reason) {
	if cfg.Server.Snapshots == 0 || inv.Snapshot().Len() == 0 {
		return
	}
	b, err := d.backupOf(ctx, cfg, inv)
	if err == nil {
		b.Header.Reason = reason
		err = backup.Save(cfg.Server.Database, b, cfg.Server.Snapshots)
	}
	if err != nil {
		d.log.Error("the snapshot of the database failed", "error", err)
		d.snapshotFailure.Store(&health.Trouble{Part: "snapshots", State: health.Wrong, Since: time.Now(),
			Message: "the snapshot of the database failed: " + err.Error(),
			Look:    []string{"ls -ld " + shell.Quote(backup.SnapshotDir(cfg.Server.Database))}})
		return
	}
	d.snapshotFailure.Store(nil)
	d.log.Info("made a snapshot of the database", "directory", backup.SnapshotDir(cfg.Server.Database), "guests", b.Header.Guests)
}

// backupOf is all that the server keeps. The guests are a snapshot of the
// inventory, which holds what is durable and takes no lock, so a backup holds up
// no registration.
func (d *Daemon) backupOf(ctx context.Context, cfg *config.Config, inv *inventory.Inventory) (*backup.Backup, error) {
	table := inv.Snapshot().Table()
	notes, err := d.store.Notes(ctx)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(notes, func(key, _ string) bool { return etcdstore.IsLocal(key) })
	authority, err := backup.ReadIdentity(cfg.Server.Identity)
	if err != nil {
		return nil, err
	}
	return backup.New(cfg.Service.Hostname, build.Version, table, notes, authority), nil
}
