package inventory

import (
	"context"

	"github.com/google/uuid"

	"mdserver/internal/inventory/denied"
)

// SetPassword keeps the password that a guest posts, once for each instance-id: an
// attacker who takes over a running guest cannot replace the password that the
// administrator will read.
//
// Errors: denied.ErrNotFound, denied.ErrPasswordSet, ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) SetPassword(ctx context.Context, id uuid.UUID, password string) error {
	return inv.submit(ctx, func(d *draft) error { return d.setPassword(id, password) })
}

func (d *draft) setPassword(id uuid.UUID, password string) error {
	current, ok := d.ByUUID(id)
	switch {
	case !ok:
		return denied.ErrNotFound
	case current.Password != "":
		return denied.ErrPasswordSet
	}
	changed := *current
	changed.Password = password
	d.put(current, &changed)
	return nil
}
