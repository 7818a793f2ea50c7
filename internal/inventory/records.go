package inventory

import (
	"context"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/draft"
)

// What became of records that were imported, merged or adopted.
type (
	Import     = draft.Import
	ImportSkip = draft.ImportSkip
	Merged     = draft.Merged
	Adopted    = draft.Adopted
)

// Import adds records of another database as they are: instance-id, MAC address, addresses (of any
// network) and times are kept. Only the host name changes, if it is unusable, given to no guest,
// or another guest has it. The inventory's own guests win: a record that contradicts one of them,
// or an earlier record, is skipped. All others are added in one step, or none if an error is
// returned.
func (inv *Inventory) Import(ctx context.Context, records []instance.Instance) (Import, error) {
	var result Import
	err := inv.submit(ctx, func(d *draft.Draft) error {
		result = d.Import(records)
		return nil
	})
	if err != nil {
		return Import{}, err
	}
	return result, nil
}

// Merge adds the changes of another database since an earlier import; since is the
// time of that import. A record of a guest that is unknown here is added, as
// Import does, unless it is older than that import: such a guest was released
// here. A record that has the name or UUID of a guest here, but differs, takes
// that guest's place unless the guest here was updated later. Guests that are in
// no record stay.
func (inv *Inventory) Merge(ctx context.Context, records []instance.Instance, since time.Time) (Merged, error) {
	var result Merged
	err := inv.submit(ctx, func(d *draft.Draft) error {
		result = d.Merge(records, since)
		return nil
	})
	if err != nil {
		return Merged{}, err
	}
	return result, nil
}

// Adopt adds the guests and the addresses in quarantine of another inventory as
// they are. Only the host name changes, if it is given to no guest or another
// guest has it. A guest that is known and differs is skipped, or replaced if
// replace is set. The same applies to a record that contradicts another guest, or
// has an address in quarantine of another one. All others are added in one step,
// or none if an error is returned.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Adopt(ctx context.Context, table instance.Table, replace bool) (Adopted, error) {
	var result Adopted
	err := inv.submit(ctx, func(d *draft.Draft) error {
		result = d.Adopt(table, replace)
		return nil
	})
	if err != nil {
		return Adopted{}, err
	}
	return result, nil
}
