package inventory

import (
	"context"

	"mdserver/internal/instance"
)

// Renamed is a guest that has another host name, and why.
type Renamed struct {
	Guest  instance.Instance
	Former string
	Reason string
}

// RenameReserved gives another host name to each guest whose name is given to
// none: one that it has from a time when it was, or a name that this host has
// now.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) RenameReserved(ctx context.Context) (renamed []Renamed, err error) {
	err = inv.submit(ctx, func(d *draft) error {
		renamed = d.renameReserved()
		return nil
	})
	return renamed, err
}

func (d *draft) renameReserved() []Renamed {
	var all []Renamed
	for current := range d.base.All() {
		hostname, why := d.names().Rename(current)
		if why == "" {
			continue
		}
		guest := *current
		guest.Hostname = hostname
		guest.LastUpdate = d.now
		d.put(current, &guest)
		all = append(all, Renamed{guest, current.Hostname, why})
	}
	return all
}
