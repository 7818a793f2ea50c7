package inventory

import (
	"context"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// Why a domain stopped, as newer versions of libvirt tell their hooks; up to 9.0 at
// least they give no reason. Other reasons tell nothing of where the guest is. See
// https://libvirt.org/hooks.html.
const (
	stoppedMigrated = "migrated"
	stoppedShutdown = "shutdown"
	stoppedSaved    = "saved"
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
	d.rehome(current, d.rules.afterStop(current.Home, reason))
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

// afterStop is the home of a guest whose domain has stopped here.
func (r *rules) afterStop(home instance.Home, reason string) instance.Home {
	ranHere := reason == stoppedShutdown || reason == stoppedSaved
	switch {
	case home.HostID == r.HostID && (home.FromID == "" || ranHere || reason == stoppedMigrated):
		return arrived(home, instance.NotRunning)
	case home.HostID == r.HostID:
		return sentBack(home)
	case home.FromID != r.HostID:
		return home // other hosts' concern
	case ranHere || home.Run == instance.NotRunning && reason != stoppedMigrated: // it never left
		back := sentBack(home)
		back.Run = instance.NotRunning
		return back
	}
	return arrived(home, instance.Running)
}

// arrived is the home of a guest that is not on its way any more.
func arrived(home instance.Home, run instance.RunState) instance.Home {
	home.Run, home.FromHost, home.FromID = run, "", ""
	return home
}

// tellsOfArrival reports whether an unshared record says nothing but that a guest which
// left this host has arrived on another one.
func (r *rules) tellsOfArrival(u storage.Unshared) bool {
	return u.Base != nil && u.Base.FromID == r.HostID && u.Record.HostID == u.Base.HostID && u.Record.FromID == ""
}

// shareArrival adds that to the present record of the guest, unless the other host has
// said so itself.
func (d *draft) shareArrival(u storage.Unshared, current *instance.Instance) outcome {
	if current.FromID == d.rules.HostID && current.Epoch == u.Record.Epoch {
		d.rehome(current, arrived(current.Home, u.Record.Run))
	}
	return outcome{guest: *current}
}
