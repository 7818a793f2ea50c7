package boltstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"mdserver/internal/instance"
)

// Aside is the file in which damaged or contradictory records are kept.
type Aside struct {
	Database  string              `json:"database"`
	Time      time.Time           `json:"time"`
	Copy      string              `json:"copy,omitempty"` // of the damaged file, whole
	Findings  []Finding           `json:"findings,omitempty"`
	Instances []instance.Instance `json:"instances,omitempty"` // that contradict each other
	Reasons   []string            `json:"reasons,omitempty"`   // why each of them is here
	// Former are records, in the snapshot named, of guests that are damaged or
	// missing. They are added by the server.
	Former   []instance.Instance `json:"former,omitempty"`
	Snapshot string              `json:"snapshot,omitempty"`
}

// Asides lists the files beside a database in which records were set aside.
// They stay until an administrator removes them.
func Asides(path string) []string {
	found, _ := filepath.Glob(globEscape(path) + ".damaged-*.json") // the pattern is valid
	return found
}

// globEscape makes a path that stands for itself in a pattern.
func globEscape(path string) string {
	var escaped []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			escaped = append(escaped, '\\')
		}
		escaped = append(escaped, path[i])
	}
	return string(escaped)
}

// asideName gives a name for things that are set aside now.
func asideName(path string, now time.Time) string {
	return path + ".damaged-" + now.UTC().Format("20060102T150405.000000Z")
}

// setAside copies the damaged file and notes what is wrong with it, before
// anything is changed.
func setAside(path string, c *content, log *slog.Logger) error {
	now := time.Now()
	name := asideName(path, now)
	if err := copyFile(path, name+".db"); err != nil {
		return fmt.Errorf("keep the damaged database: %w", err)
	}
	// The mark tells Salvage which change was the last.
	err := copyFile(markPath(path), markPath(name+".db"))
	if err == nil {
		err = likeDatabase(path, markPath(name+".db"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the damaged database: %w", err)
	}
	if err := writeAside(name+".json", Aside{Database: path, Time: now, Copy: name + ".db", Findings: c.findings}); err != nil {
		return err
	}
	for _, f := range c.findings {
		log.Error("the database is damaged; damaged records are set aside, all others are served",
			"path", path, "bucket", f.Bucket, "key", fmt.Sprintf("%x", f.Key), "reason", f.Reason, "aside", name+".json")
	}
	return nil
}

func writeAside(name string, a Aside) error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(name, append(text, '\n'), fileMode); err != nil {
		return fmt.Errorf("set damaged records aside: %w", err)
	}
	return likeDatabase(a.Database, name)
}

// copyFile copies a file durably; the copy is readable by its owner only.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	pending, err := renameio.NewPendingFile(to, renameio.WithPermissions(fileMode))
	if err != nil {
		return err
	}
	defer pending.Cleanup()
	if _, err := io.Copy(pending, source); err != nil {
		return err
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return likeDatabase(from, to)
}

// SetAside implements storage.Store.
func (s *Store) SetAside(ctx context.Context, guests []instance.Instance, reasons []error) error {
	now := time.Now()
	aside := Aside{Database: s.path, Time: now, Instances: guests}
	var change instance.Change
	name := asideName(s.path, now) + ".json"
	for i, guest := range guests {
		aside.Reasons = append(aside.Reasons, reasons[i].Error())
		change.Delete = append(change.Delete, guest.UUID)
		s.log.Error("a record is in conflict with another; it is set aside, all others are served",
			"path", s.path, "guest", guest.Name, "uuid", guest.UUID, "reason", reasons[i], "aside", name)
	}
	if err := writeAside(name, aside); err != nil {
		return err
	}
	return s.Apply(ctx, []instance.Change{change})
}
