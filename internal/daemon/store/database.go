package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/shell"
)

// ErrDatabase means that nothing of the database can be served, and another start would
// not change that.
var ErrDatabase = errors.New("the database cannot be used")

// openDatabase opens the database of this host, and makes it at the first start.
func openDatabase(path string, log *slog.Logger) (*boltstore.Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	database, err := boltstore.Open(path, log)
	if err != nil {
		return nil, unusable(path, err)
	}
	return database, nil
}

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
