package inventory

import (
	"context"

	"mdserver/internal/instance"
)

// HostID identifies this host, or is empty if no others share the inventory.
func (inv *Inventory) HostID() string { return inv.rules.Load().HostID }

// Has reports whether this host has a guest.
func (inv *Inventory) Has(guest *instance.Instance) bool { return inv.rules.Load().Host.Has(guest) }

// ForgetHost takes all guests from a host, and gives back its spare addresses. The guests
// belong to no host then, and to the next one that starts or runs them. It returns how
// many there were.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) ForgetHost(ctx context.Context, hostID string) (count int, err error) {
	err = inv.submit(ctx, func(d *draft) error {
		count = d.forgetHost(hostID)
		return nil
	})
	return count, err
}

func (d *draft) forgetHost(hostID string) (count int) {
	d.dropSpares(func(spare *instance.Spare) bool { return spare.Owner == hostID })
	var guests []*instance.Instance
	for guest := range d.base.All() {
		if guest.HostID == hostID || guest.FromID == hostID {
			guests = append(guests, guest)
		}
	}
	for _, guest := range guests {
		changed := *guest
		if guest.HostID != hostID {
			changed.FromHost, changed.FromID = "", ""
		} else {
			changed.Home = instance.Home{Epoch: guest.Epoch + 1}
			count++
			if !gone(guest) {
				changed.Presence = instance.Presence{State: instance.Away, Since: d.now}
			}
		}
		d.store(guest, &changed)
	}
	return count
}
