package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"mdserver/internal/inventory/boltstore"
)

// snapshotTime is how the name of a snapshot tells when it was made, in UTC.
const (
	snapshotPrefix = "mdserver-"
	snapshotTime   = "20060102T150405Z"
	snapshotSuffix = ".backup"
)

// Snapshot is a backup that the server made by itself.
type Snapshot struct {
	Path    string    `json:"path"`
	Created time.Time `json:"created"`
	Size    int64     `json:"size"` // bytes
}

// SnapshotDir is where the snapshots of a database are.
func SnapshotDir(database string) string { return filepath.Join(filepath.Dir(database), "snapshots") }

// Snapshots lists the snapshots of a database, the newest first.
func Snapshots(database string) ([]Snapshot, error) {
	entries, err := os.ReadDir(SnapshotDir(database))
	if errors.Is(err, fs.ErrNotExist) {
		return []Snapshot{}, nil
	}
	if err != nil {
		return nil, err
	}
	all := []Snapshot{}
	for _, e := range entries {
		created, err := time.Parse(snapshotPrefix+snapshotTime+snapshotSuffix, e.Name())
		if err != nil || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it was removed meanwhile
		}
		all = append(all, Snapshot{filepath.Join(SnapshotDir(database), e.Name()), created, info.Size()})
	}
	slices.SortFunc(all, func(a, b Snapshot) int { return strings.Compare(b.Path, a.Path) })
	return all, nil
}

// Save writes a snapshot and removes the oldest ones, so that keep of them are
// left. The new one stays even if the clock was set back and it looks like the
// oldest. If it cannot be written, all former ones are still there.
func Save(database string, b *Backup, keep int) error {
	dir := SnapshotDir(database)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, snapshotPrefix+b.Header.Created.UTC().Format(snapshotTime)+snapshotSuffix)
	if err := write(path, b); err != nil {
		return err
	}
	if err := errors.Join(boltstore.GiveToService(database, dir), boltstore.GiveToService(database, path)); err != nil {
		return err
	}
	all, err := Snapshots(database)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(s Snapshot) bool { return s.Path == path })
	for _, old := range all[min(max(0, keep-1), len(all)):] {
		err = errors.Join(err, os.Remove(old.Path))
	}
	return err
}

// write writes the file whole or not at all.
func write(path string, b *Backup) error {
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(fileMode))
	if err != nil {
		return err
	}
	defer file.Cleanup()
	if err := Write(file, b); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return file.CloseAtomicallyReplace()
}

// NewestSound is the newest snapshot of a database that can be restored; "" if
// there is none.
func NewestSound(database string) string {
	all, err := Snapshots(database)
	if err != nil {
		return ""
	}
	for _, s := range all {
		if readable(s.Path) {
			return s.Path
		}
	}
	return ""
}

func readable(path string) bool {
	_, err := ReadFile(path)
	return err == nil
}
