package inventory

import (
	"context"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/hosting"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/inventory/storage"
)

// Stopped notes that libvirt's hook says that a domain has stopped on this host, and
// why. On a host that follows no events of libvirt, nothing else tells that a migration
// has ended. It concerns only where the guest runs, and only among several hosts. A domain
// that is no guest changes nothing.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Stopped(ctx context.Context, id uuid.UUID, reason string) error {
	return inv.submit(ctx, func(d *draft) error {
		d.stopped(id, reason)
		return nil
	})
}

func (d *draft) stopped(id uuid.UUID, reason string) {
	current, ok := d.ByUUID(id)
	if !ok || d.rules.HostID == "" {
		return
	}
	d.rehome(current, d.rules.Host.AfterStop(current.Home, reason))
}

// rehome changes nothing but which host has a guest, or runs it.
func (d *draft) rehome(current *instance.Instance, home instance.Home) {
	if home == current.Home {
		return
	}
	changed := *current
	changed.Home = home
	d.put(current, &changed)
}

// tellsOfArrival reports whether an unshared record says nothing but that a guest which
// left this host has arrived on another one.
func tellsOfArrival(r *rules.Rules, u storage.Unshared) bool {
	return u.Base != nil && u.Base.FromID == r.HostID && u.Record.HostID == u.Base.HostID && u.Record.FromID == ""
}

// shareArrival adds that to the present record of the guest, unless the other host has
// said so itself.
func (d *draft) shareArrival(u storage.Unshared, current *instance.Instance) outcome {
	if current.FromID == d.rules.HostID && current.Epoch == u.Record.Epoch {
		d.rehome(current, hosting.Arrived(current.Home, u.Record.Run))
	}
	return outcome{guest: *current}
}
