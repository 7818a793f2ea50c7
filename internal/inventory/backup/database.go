package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"github.com/google/renameio/v2"

	"mdserver/internal/identity"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

// Files are the files that a backup is made of, and that Restore replaces.
type Files struct {
	Database string
	Identity string // the key and certificate of the identity authority
}

// FromFiles makes a backup while no server runs. A damaged database is refused.
// Errors: those of boltstore.OpenReader, and those of the operating system.
func FromFiles(ctx context.Context, files Files, host, version string) (*Backup, error) {
	database, err := boltstore.OpenReader(files.Database)
	if err != nil {
		return nil, err
	}
	defer database.Close()
	if findings := database.Findings(); len(findings) > 0 {
		return nil, fmt.Errorf("the database %s is damaged (%v); start the server once: it sets damaged records aside", files.Database, findings[0])
	}
	table, err := database.Load(ctx)
	if err != nil {
		return nil, err
	}
	notes, err := database.Notes(ctx)
	if err != nil {
		return nil, err
	}
	authority, err := ReadIdentity(files.Identity)
	if err != nil {
		return nil, err
	}
	return New(host, version, table, notes, authority), nil
}

// restorable are notes without the spare addresses of the host: others may have them by
// now. Records that are not in etcd yet stay, because they are nowhere else.
func restorable(notes map[string]string) map[string]string {
	notes = maps.Clone(notes)
	delete(notes, storage.SparesNote)
	return notes
}

// ReadIdentity reads the file of the identity authority. It returns "" if there
// is none.
func ReadIdentity(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// Restore replaces files by those of a backup. It returns the names of the copies
// that it made of the former files. No server may run. After an error the former
// database is still in place, unless the error is of the identity authority;
// Restore can then be repeated. Errors: boltstore.ErrInUse, identity.ErrDamaged,
// or those of the operating system.
func Restore(files Files, b *Backup) (former []string, err error) {
	if b.Identity != "" {
		if err := identity.Check([]byte(b.Identity)); err != nil {
			return nil, fmt.Errorf("identity authority of the backup: %w", err)
		}
	}
	kept, err := boltstore.Replace(files.Database, b.Table, restorable(b.Notes))
	if kept != "" {
		former = append(former, kept)
	}
	if err != nil {
		return former, err
	}
	kept, err = restoreIdentity(files, b.Identity)
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
func restoreIdentity(files Files, text string) (former string, err error) {
	present, err := ReadIdentity(files.Identity)
	if err != nil || text == "" || text == present {
		return "", err
	}
	if former, err = boltstore.KeepFormer(files.Identity); err != nil {
		return "", err
	}
	if err := renameio.WriteFile(files.Identity, []byte(text), fileMode); err != nil {
		return former, err
	}
	return former, boltstore.GiveToService(files.Database, files.Identity)
}

const fileMode = 0o600
