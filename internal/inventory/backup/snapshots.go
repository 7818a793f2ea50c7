package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	Reason  Reason    `json:"reason,omitempty"`
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
		path := filepath.Join(SnapshotDir(database), e.Name())
		all = append(all, Snapshot{path, created, info.Size(), reasonOf(path)})
	}
	slices.SortFunc(all, func(a, b Snapshot) int { return strings.Compare(b.Path, a.Path) })
	return all, nil
}

// reasonOf reads why a snapshot was made; "" if that cannot be read.
func reasonOf(path string) Reason {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	start, err := io.ReadAll(io.LimitReader(file, longestHeader))
	if err != nil {
		return ""
	}
	first, _, _ := bytes.Cut(start, []byte("\n"))
	var h Header
	if json.Unmarshal(first, &h) != nil {
		return ""
	}
	return h.Reason
}

// pathFor is the file of a new snapshot. None has its time yet. The state after a
// restore is the newest one, even if the clock was set back.
func pathFor(database string, b *Backup, all []Snapshot) string {
	created := b.Header.Created.UTC()
	if b.Header.Reason == Restored && len(all) > 0 && !created.After(all[0].Created) {
		created = all[0].Created.Add(time.Second)
	}
	for slices.ContainsFunc(all, func(s Snapshot) bool { return s.Created.Equal(created.Truncate(time.Second)) }) {
		created = created.Add(time.Second)
	}
	return filepath.Join(SnapshotDir(database), snapshotPrefix+created.Format(snapshotTime)+snapshotSuffix)
}

// Save writes a snapshot and removes the oldest ones, so that keep of them are
// left. The new one stays even if the clock was set back and it looks like the
// oldest. If it cannot be written, all former ones are still there.
func Save(database string, b *Backup, keep int) error {
	dir := SnapshotDir(database)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	all, err := Snapshots(database)
	if err != nil {
		return err
	}
	path := pathFor(database, b, all)
	if err := write(path, b); err != nil {
		return err
	}
	if err := errors.Join(boltstore.GiveToService(database, dir), boltstore.GiveToService(database, path)); err != nil {
		return err
	}
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
