package inventory

import (
	"context"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/draft"
	"mdserver/internal/inventory/storage"
)

// HostID identifies this host, or is empty if no others share the inventory.
func (inv *Inventory) HostID() string { return inv.rules.Load().HostID }

// Has reports whether this host has a guest.
func (inv *Inventory) Has(guest *instance.Instance) bool { return inv.rules.Load().Host.Has(guest) }

// Reattach gives every guest its places on the networks as they are now: an
// address on a network that came, none on one that went. A guest whose networks
// are all gone keeps its record. So does one of another host, which may know the
// networks otherwise. It returns how many guests changed.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Reattach(ctx context.Context) (int, error) {
	changed := 0
	err := inv.submit(ctx, func(d *draft.Draft) error {
		changed = d.Reattach()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}

// Renamed is a guest that has another host name, and why.
type Renamed = draft.Renamed

// RenameReserved gives another host name to each guest whose name is given to
// none: one that it has from a time when it was, or a name that this host has
// now.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) RenameReserved(ctx context.Context) (renamed []Renamed, err error) {
	err = inv.submit(ctx, func(d *draft.Draft) error {
		renamed = d.RenameReserved()
		return nil
	})
	return renamed, err
}

// Replenish claims spare addresses for this host, which it gives to new guests
// while the shared store is away, and gives back those that it has too many of. It
// does nothing if the store is not shared, or is away.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Replenish(ctx context.Context) error {
	if inv.shared == nil || inv.shared.Away() != nil {
		return nil
	}
	return inv.submit(ctx, func(d *draft.Draft) error {
		d.Replenish()
		return nil
	})
}

// ForgetHost takes all guests from a host, and gives back its spare addresses. The guests
// belong to no host then, and to the next one that starts or runs them. It returns how
// many there were.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) ForgetHost(ctx context.Context, hostID string) (count int, err error) {
	err = inv.submit(ctx, func(d *draft.Draft) error {
		count = d.ForgetHost(hostID)
		return nil
	})
	return count, err
}

// Withheld are the guests whose records were set aside, as far as they were not
// registered again.
func (inv *Inventory) Withheld() []storage.Withheld {
	snapshot := inv.Snapshot()
	var waiting []storage.Withheld
	for _, w := range inv.rules.Load().Withheld {
		if _, there := snapshot.ByUUID(w.UUID); !there {
			waiting = append(waiting, w)
		}
	}
	return waiting
}
