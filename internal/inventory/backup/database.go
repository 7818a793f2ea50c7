package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"

	"mdserver/internal/identity"
	"mdserver/internal/inventory/boltstore"
)

// FromDatabase makes a backup of a database that no server has open, and of
// the identity authority beside it. A damaged database is refused. Errors: those
// of boltstore.Read.
func FromDatabase(ctx context.Context, database, host, version string) (*Backup, error) {
	table, findings, err := boltstore.Read(ctx, database)
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, fmt.Errorf("the database %s is damaged (%v); start the server once: it sets damaged records aside", database, findings[0])
	}
	notes, err := boltstore.Notes(database, "")
	if err != nil {
		return nil, err
	}
	authority, err := ReadIdentity(database)
	if err != nil {
		return nil, err
	}
	return New(host, version, table, notes, authority), nil
}

// ReadIdentity reads the file of the identity authority beside a database. It
// gives "" if there is none.
func ReadIdentity(database string) (string, error) {
	text, err := os.ReadFile(identity.Beside(database))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// Restore puts a backup in the place of the database and of the identity
// authority beside it. It returns the names of the copies that it made of the
// former files. No server may run. After an error the former database is still
// in place, unless the error is of the identity authority; Restore can then be
// repeated. Errors: boltstore.ErrInUse, identity.ErrDamaged, or those of the
// operating system.
func Restore(database string, b *Backup) (former []string, err error) {
	if b.Identity != "" {
		if err := identity.Check([]byte(b.Identity)); err != nil {
			return nil, fmt.Errorf("identity authority of the backup: %w", err)
		}
	}
	kept, err := boltstore.Replace(database, b.Table, b.Notes)
	if kept != "" {
		former = append(former, kept)
	}
	if err != nil {
		return former, err
	}
	kept, err = restoreIdentity(database, b.Identity)
	if kept != "" {
		former = append(former, kept)
	}
	if err != nil {
		return former, fmt.Errorf("identity authority: %w", err)
	}
	return former, nil
}

// restoreIdentity replaces the file of the authority if it is another one. A
// backup without an authority leaves it.
func restoreIdentity(database, text string) (former string, err error) {
	present, err := ReadIdentity(database)
	if err != nil || text == "" || text == present {
		return "", err
	}
	path := identity.Beside(database)
	if former, err = boltstore.KeepFormer(path); err != nil {
		return "", err
	}
	if err := renameio.WriteFile(path, []byte(text), fileMode); err != nil {
		return former, err
	}
	return former, boltstore.GiveToService(database, path)
}

const fileMode = 0o600
