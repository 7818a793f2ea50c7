// Package transfer takes guests over from elsewhere and writes them out: from and to the
// Python mdserver's database, and documents.
package transfer

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/build"
	"mdserver/internal/config"
	"mdserver/internal/daemon/upkeep"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/document"
	"mdserver/internal/inventory/legacy"
)

// Transfer is what guests are transferred with.
type Transfer struct {
	Inventory *inventory.Inventory
	Database  *boltstore.Store // has a note of what was taken over
	Upkeep    *upkeep.Upkeep   // makes a snapshot before an import
	Config    func() *config.Config
	Started   time.Time // when this server was
	Log       *slog.Logger
}

// Export writes all guests as a document, or as a database of the Python mdserver, in the
// form that format names. "legacy" is the form that was imported, or else the list, which
// every version of the Python mdserver reads.
func (t Transfer) Export(ctx context.Context, w io.Writer, format string) error {
	if format == api.FormatJSON {
		return t.exportDocument(w)
	}
	form := legacy.Form(format)
	if format == "legacy" {
		note, err := t.readImportNote(ctx)
		if err != nil {
			return err
		}
		form = cmp.Or(note.Form, legacy.List)
	}
	var guests []instance.Instance
	for inst := range t.Inventory.Snapshot().All() {
		guests = append(guests, *inst)
	}
	cfg := t.Config()
	now := time.Now()
	here := legacy.Location{
		Hostname: cfg.Service.Hostname, Version: cfg.Service.Version,
		FirstSeen: t.Started, LastSeen: now,
	}
	return legacy.Write(w, form, guests, legacy.Meta{
		Initialised: t.Started,
		Updated:     now,
		Locations:   map[string]legacy.Location{cfg.Service.Location: here},
	})
}

// exportDocument writes all guests and addresses in quarantine without a loss.
func (t Transfer) exportDocument(w io.Writer) error {
	return document.Write(w, document.NewHeader(t.Config().Service.Hostname, build.Version), t.Inventory.Snapshot().Table())
}

// Import adds the guests of a document, after a snapshot of those that are
// there.
func (t Transfer) Import(ctx context.Context, table instance.Table, replace bool) (inventory.Adopted, error) {
	t.Upkeep.Snapshot(ctx, backup.BeforeImport)
	result, err := t.Inventory.Adopt(ctx, table, replace)
	if err != nil {
		return result, err
	}
	t.Log.Info("imported guests from a document", "added", len(result.Added), "replaced", len(result.Replaced),
		"unchanged", result.Unchanged, "skipped", len(result.Skipped), "resting", result.Resting)
	return result, nil
}
