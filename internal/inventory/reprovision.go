package inventory

import (
	"context"

	"mdserver/internal/instance"
)

// Reprovision gives the guest that ref means, see Snapshot.Find, a new
// instance-id, so that it sets itself up as a new machine at its next boot, and
// returns its new record. Everything else stays, except for a password that the
// guest has posted.
//
// Errors: denied.ErrNotFound, denied.ErrAmbiguous, ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Reprovision(ctx context.Context, ref string) (instance.Instance, error) {
	var changed instance.Instance
	err := inv.submit(ctx, func(d *draft) (err error) {
		changed, err = d.reprovision(ref)
		return err
	})
	if err != nil {
		return instance.Instance{}, err
	}
	return changed, nil
}

func (d *draft) reprovision(ref string) (instance.Instance, error) {
	current, err := d.base.Find(ref)
	if err != nil {
		return instance.Instance{}, err
	}
	changed := *current
	changed.ID = d.freshID()
	changed.LastUpdate = d.now
	d.put(current, &changed)
	return changed, nil
}

// freshID is an instance-id that no guest has.
func (d *draft) freshID() string {
	for {
		id := instance.NewID()
		if _, taken := d.ByID(id); !taken {
			return id
		}
	}
}
