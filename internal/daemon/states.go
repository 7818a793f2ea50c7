package daemon

import (
	"mdserver/internal/admin"
	"mdserver/internal/instance"
	"mdserver/internal/refusal"
)

// state tells what a guest does, as libvirt told last.
func (d *Daemon) state(guest *instance.Instance) admin.State {
	switch guest.Presence.State {
	case instance.Gone:
		return admin.Gone
	case instance.Away:
		return admin.Away
	}
	running, known := d.following.running(guest.UUID)
	switch {
	case !known:
		return admin.Unknown
	case running:
		return admin.Running
	}
	return admin.Off
}

func (d *Daemon) notServed() admin.NotServed {
	refused, unserved := d.inventory.Refusals().Count()
	return admin.NotServed{Refused: refused, Unserved: unserved}
}

// refusalOf tells why a guest's present definition is refused; nil if it is not.
func (d *Daemon) refusalOf(guest *instance.Instance) *refusal.Refusal {
	if r, ok := d.inventory.Refusals().Of(guest.UUID); ok {
		return &r
	}
	return nil
}
