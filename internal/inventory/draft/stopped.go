package draft

import (
	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/hosting"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/inventory/storage"
)

// Stopped notes that libvirt's hook says that a domain has stopped on this host, and why.
func (d *Draft) Stopped(id uuid.UUID, reason string) {
	current, ok := d.ByUUID(id)
	if !ok || d.rules.HostID == "" {
		return
	}
	d.rehome(current, d.rules.Host.AfterStop(current.Home, reason))
}

// rehome changes nothing but which host has a guest, or runs it.
func (d *Draft) rehome(current *instance.Instance, home instance.Home) {
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
func (d *Draft) shareArrival(u storage.Unshared, current *instance.Instance) Outcome {
	if current.FromID == d.rules.HostID && current.Epoch == u.Record.Epoch {
		d.rehome(current, hosting.Arrived(current.Home, u.Record.Run))
	}
	return Outcome{Guest: *current}
}
