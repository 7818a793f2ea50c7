package daemon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
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

func readImportNote(ctx context.Context, store inventory.Store) (importNote, error) {
	var note importNote
	text, err := store.Note(ctx, importedKey)
	if err != nil || text == "" {
		return note, err
	}
	if json.Unmarshal([]byte(text), &note) != nil {
		note.File = text
	}
	return note, nil
}

func writeImportNote(ctx context.Context, store inventory.Store, note importNote) error {
	text, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("note of the import: %w", err)
	}
	return store.SetNote(ctx, importedKey, string(text))
}

// importLegacy takes over the guests of the Python mdserver's database at the
// first start, and what the Python mdserver has changed there since at later ones.
func (d *Daemon) importLegacy(ctx context.Context, path string, store inventory.Store, inv *inventory.Inventory) error {
	note, err := readImportNote(ctx, store)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	first := note.File == "" && inv.Snapshot().Len() == 0
	var guests []instance.Instance
	now := importNote{File: path, Form: legacy.FormOf(data), SHA256: fmt.Sprintf("%x", sha256.Sum256(data)), Time: time.Now()}
	if err == nil {
		switch {
		case now.SHA256 == note.SHA256 && now.File == note.File:
			return nil
		case note.File != "" && note.SHA256 == "": // it cannot be known whether it has changed
			return writeImportNote(ctx, store, now)
		}
		guests, err = d.parseLegacy(path, data)
	}
	switch {
	case err != nil && first:
		return fmt.Errorf("the Python mdserver's database %s cannot be imported; repair it, move it away or set db_file: %w", path, err)
	case err != nil: // the guests are known already
		d.log.Warn("the Python mdserver's database has changed since its import and cannot be read; its guests keep their imported records", "file", path, "error", err)
		return nil
	case first:
		err = d.importFirst(ctx, path, inv, guests)
	default:
		if note.File != path {
			note.Time = time.Time{} // another database: all of it is new
		}
		d.upkeep.Snapshot(ctx, backup.BeforeImport)
		err = d.importAgain(ctx, path, inv, guests, note.Time)
	}
	if err != nil {
		return fmt.Errorf("import of %s: %w", path, err)
	}
	return writeImportNote(ctx, store, now)
}

func (d *Daemon) parseLegacy(path string, data []byte) ([]instance.Instance, error) {
	guests, skipped, err := legacy.Parse(data)
	for _, s := range skipped {
		d.log.Warn("entry of the Python mdserver's database not imported", "file", path, "reason", s.String())
	}
	return guests, err
}

func (d *Daemon) importFirst(ctx context.Context, path string, inv *inventory.Inventory, guests []instance.Instance) error {
	result, err := inv.Import(ctx, guests)
	if err != nil {
		return err
	}
	for _, s := range result.Skipped {
		d.log.Warn("guest of the Python mdserver's database not imported", "file", path, "guest", s.Instance.Name, "reason", s.Err)
	}
	d.log.Info("imported the Python mdserver's database, which is not changed", "file", path, "guests", len(result.Added))
	return nil
}

// importAgain merges a database that has changed since its import, as after a way
// back to the Python mdserver. The import was at the time since.
func (d *Daemon) importAgain(ctx context.Context, path string, inv *inventory.Inventory, guests []instance.Instance, since time.Time) error {
	result, err := inv.Merge(ctx, guests, since)
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
			d.log.Info(message, "file", path, "guest", guest.Name, "address", guest.IPv4)
		}
	}
	for _, s := range result.Kept {
		d.log.Warn("guest of the Python mdserver's database not imported, because the existing one differs; if the existing one is wrong, remove it with `mdserver instance rm` and register the other with `virsh dumpxml NAME | mdserver instance add -`",
			"file", path, "guest", s.Instance.Name, "address", s.Instance.IPv4, "reason", s.Err)
	}
	d.log.Info("the Python mdserver's database had changed and was merged", "file", path, "added", len(result.Added),
		"replaced", len(result.Replaced), "updated", len(result.Updated), "kept", len(result.Kept), "removed_before", len(result.Released))
	return nil
}

// export writes all guests as a document, or as a database of the Python mdserver, in the
// form that format names. "legacy" is the form that was imported, or else the list, which
// every version of the Python mdserver reads.
func (d *Daemon) export(ctx context.Context, w io.Writer, format string) error {
	if format == api.FormatJSON {
		return d.exportDocument(w)
	}
	form := legacy.Form(format)
	if format == "legacy" {
		note, err := readImportNote(ctx, d.store.Database)
		if err != nil {
			return err
		}
		form = cmp.Or(note.Form, legacy.List)
	}
	var guests []instance.Instance
	for inst := range d.inventory.Snapshot().All() {
		guests = append(guests, *inst)
	}
	cfg := d.config.Load()
	now := time.Now()
	here := legacy.Location{
		Hostname: cfg.Service.Hostname, Version: cfg.Service.Version,
		FirstSeen: d.started, LastSeen: now,
	}
	return legacy.Write(w, form, guests, legacy.Meta{
		Initialised: d.started,
		Updated:     now,
		Locations:   map[string]legacy.Location{cfg.Service.Location: here},
	})
}
