package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"mdserver/internal/config"
	"mdserver/internal/identity"
	"mdserver/internal/imds"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/networks"
	"mdserver/internal/shell"
)

// openInventory opens the database and, at the first start, takes over the guests
// of the Python mdserver's. All that fails leaves the database closed.
func (d *Daemon) openInventory(ctx context.Context, cfg *config.Config) (*inventory.Inventory, error) {
	if err := CheckStore(cfg); err != nil {
		return nil, err
	}
	path := cfg.Server.Database
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	database, err := boltstore.Open(path, d.log)
	if err != nil {
		return nil, unusable(path, err)
	}
	d.store = database
	store, err := d.openStore(ctx, cfg, database)
	if err != nil {
		return nil, errors.Join(err, database.Close())
	}
	inv, err := inventory.Open(ctx, store, d.inventoryOptions(cfg, networks.Configured(cfg)))
	if err != nil {
		return nil, errors.Join(err, store.Close(), d.closeEtcd())
	}
	if err := d.completeAsides(cfg, inv); err != nil {
		d.log.Error("records that were set aside could not be completed from a snapshot", "error", err)
	}
	inv.Reconfigure(d.inventoryOptions(cfg, networks.Configured(cfg))) // with what is withheld now
	if err := d.importLegacy(ctx, cfg.Server.DBFile, database, inv); d.refusesStart(err) {
		return nil, errors.Join(err, inv.Close(), d.closeEtcd())
	}
	if d.tokenKey, err = tokenKey(ctx, database); err != nil {
		return nil, errors.Join(err, inv.Close(), d.closeEtcd())
	}
	return inv, nil
}

// ErrDatabase means that nothing of the database can be served, and another start would
// not change that.
var ErrDatabase = errors.New("the database cannot be used")

// unusable says what an administrator can do about a database that is
// damaged as a whole, gone, or newer than this program.
func unusable(path string, err error) error {
	switch {
	case errors.Is(err, boltstore.ErrNewer):
		return fmt.Errorf("%w: %w; install that version again", ErrDatabase, err)
	case errors.Is(err, boltstore.ErrDamaged):
		return fmt.Errorf("%w: %w; save what is left of it (`mdserver database salvage`), restore a backup (`mdserver restore %s`), or move it and %s.mark away to begin with an empty one",
			ErrDatabase, err, newestBackup(path), path)
	case errors.Is(err, boltstore.ErrMissing):
		return fmt.Errorf("%w: %w; restore a backup (`mdserver restore %s`), replace it by a copy of the database, or move it and %s.mark away to begin with an empty one",
			ErrDatabase, err, newestBackup(path), path)
	}
	return err
}

// newestBackup is the file that an administrator can restore, as far as it is known.
func newestBackup(database string) string {
	if path := backup.NewestSound(database); path != "" {
		return shell.Quote(path)
	}
	return "FILE"
}

// openIdentity opens the authority that signs identity documents, and makes it at
// the first start.
func (d *Daemon) openIdentity(cfg *config.Config) (*identity.Authority, error) {
	path := cfg.Server.Identity
	authority, created, err := identity.Open(path, cfg.Service.Hostname)
	if err != nil {
		return nil, err
	}
	if created {
		d.log.Info("created the key and certificate for identity documents", "path", path)
	}
	return authority, nil
}

// tokenKeyName is the note in the database, which only the server can read, that
// holds the signing key of tokens.
const tokenKeyName = "imds_key"

func tokenKey(ctx context.Context, store storage.Store) (imds.Key, error) {
	text, err := store.Note(ctx, tokenKeyName)
	if err != nil {
		return imds.Key{}, err
	}
	if text != "" {
		return imds.ParseKey(text)
	}
	key := imds.NewKey()
	return key, store.SetNote(ctx, tokenKeyName, key.Text())
}
