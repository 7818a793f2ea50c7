package daemon

import (
	"context"
	"io"

	"mdserver/internal/build"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/document"
)

// exportDocument writes all guests and addresses in quarantine without a loss.
func (d *Daemon) exportDocument(w io.Writer) error {
	return document.Write(w, document.NewHeader(d.config.Load().Service.Hostname, build.Version), d.inventory.Snapshot().Table())
}

// importDocument adds the guests of a document, after a snapshot of those that are
// there.
func (d *Daemon) importDocument(ctx context.Context, table instance.Table, replace bool) (inventory.Adopted, error) {
	d.saveSnapshot(ctx, d.config.Load(), d.inventory, backup.BeforeImport)
	result, err := d.inventory.Adopt(ctx, table, replace)
	if err != nil {
		return result, err
	}
	d.log.Info("imported guests from a document", "added", len(result.Added), "replaced", len(result.Replaced),
		"unchanged", result.Unchanged, "skipped", len(result.Skipped), "resting", result.Resting)
	return result, nil
}
