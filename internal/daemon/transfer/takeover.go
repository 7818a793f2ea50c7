package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/legacy"
)

// importedKey is the note in the database about the import.
const importedKey = "legacy_import"

// importNote says what was imported last. Notes of older versions have nothing
// but the path, as plain text.
type importNote struct {
	File   string      `json:"file"`
	Form   legacy.Form `json:"form,omitempty"`
	SHA256 string      `json:"sha256,omitempty"`
	Time   time.Time   `json:"time,omitzero"`
}

func (t Transfer) readImportNote(ctx context.Context) (importNote, error) {
	var note importNote
	text, err := t.Database.Note(ctx, importedKey)
	if err != nil || text == "" {
		return note, err
	}
	if json.Unmarshal([]byte(text), &note) != nil {
		note.File = text
	}
	return note, nil
}

func (t Transfer) writeImportNote(ctx context.Context, note importNote) error {
	text, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("note of the import: %w", err)
	}
	return t.Database.SetNote(ctx, importedKey, string(text))
}

// TakeOver takes over the guests of the Python mdserver's database at the first
// start, and what the Python mdserver has changed there since at later ones.
func (t Transfer) TakeOver(ctx context.Context) error {
	path := t.Config().Server.DBFile
	note, err := t.readImportNote(ctx)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	first := note.File == "" && t.Inventory.Snapshot().Len() == 0
	if err != nil {
		return t.unreadable(path, first, err)
	}
	now := importNote{File: path, Form: legacy.FormOf(data), SHA256: fmt.Sprintf("%x", sha256.Sum256(data)), Time: time.Now()}
	switch {
	case now.SHA256 == note.SHA256 && now.File == note.File:
		return nil
	case note.File != "" && note.SHA256 == "": // it cannot be known whether it has changed
		return t.writeImportNote(ctx, now)
	}
	guests, err := t.parseLegacy(path, data)
	if err != nil {
		return t.unreadable(path, first, err)
	}
	if first {
		err = t.importFirst(ctx, path, guests)
	} else {
		err = t.importAgain(ctx, path, guests, note)
	}
	if err != nil {
		return fmt.Errorf("import of %s: %w", path, err)
	}
	return t.writeImportNote(ctx, now)
}

// unreadable refuses a first start with a database that cannot be read. At later ones,
// the guests are known already.
func (t Transfer) unreadable(path string, first bool, err error) error {
	if first {
		return fmt.Errorf("the Python mdserver's database %s cannot be imported; repair it, move it away or set db_file: %w", path, err)
	}
	t.Log.Warn("the Python mdserver's database has changed since its import and cannot be read; its guests keep their imported records", "file", path, "error", err)
	return nil
}

func (t Transfer) parseLegacy(path string, data []byte) ([]instance.Instance, error) {
	guests, skipped, err := legacy.Parse(data)
	for _, s := range skipped {
		t.Log.Warn("entry of the Python mdserver's database not imported", "file", path, "reason", s.String())
	}
	return guests, err
}

func (t Transfer) importFirst(ctx context.Context, path string, guests []instance.Instance) error {
	result, err := t.Inventory.Import(ctx, guests)
	if err != nil {
		return err
	}
	for _, s := range result.Skipped {
		t.Log.Warn("guest of the Python mdserver's database not imported", "file", path, "guest", s.Instance.Name, "reason", s.Err)
	}
	t.Log.Info("imported the Python mdserver's database, which is not changed", "file", path, "guests", len(result.Added))
	return nil
}

// importAgain merges a database that has changed since its last import, as after a way
// back to the Python mdserver.
func (t Transfer) importAgain(ctx context.Context, path string, guests []instance.Instance, last importNote) error {
	since := last.Time
	if last.File != path {
		since = time.Time{} // another database: all of it is new
	}
	t.Upkeep.Snapshot(ctx, backup.BeforeImport)
	result, err := t.Inventory.Merge(ctx, guests, since)
	if err != nil {
		return err
	}
	for message, guests := range map[string][]instance.Instance{
		"guest added from the Python mdserver's database":                                                                 result.Added,
		"guest replaced by a newer record of the Python mdserver's database":                                              result.Replaced,
		"guest's metadata updated from the Python mdserver's database":                                                    result.Updated,
		"guest of the Python mdserver's database not imported: it was removed here; `mdserver instance add` registers it": result.Released,
	} {
		for _, guest := range guests {
			t.Log.Info(message, "file", path, "guest", guest.Name, "address", guest.IPv4)
		}
	}
	for _, s := range result.Kept {
		t.Log.Warn("guest of the Python mdserver's database not imported, because the existing one differs; if the existing one is wrong, remove it with `mdserver instance rm` and register the other with `virsh dumpxml NAME | mdserver instance add -`",
			"file", path, "guest", s.Instance.Name, "address", s.Instance.IPv4, "reason", s.Err)
	}
	t.Log.Info("the Python mdserver's database had changed and was merged", "file", path, "added", len(result.Added),
		"replaced", len(result.Replaced), "updated", len(result.Updated), "kept", len(result.Kept), "removed_before", len(result.Released))
	return nil
}
