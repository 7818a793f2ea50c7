package daemon

import (
	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// state tells what a guest does, as libvirt told last.
func (d *Daemon) state(guest *instance.Instance) api.State {
	running, known := d.libvirt.running(guest.UUID)
	return stateOf(guest, running, known)
}

// stateOf returns the state of a guest. running tells whether its domain runs, if that is known.
func stateOf(guest *instance.Instance, running, known bool) api.State {
	switch guest.Presence.State {
	case instance.Gone:
		return api.Gone
	case instance.Away:
		return api.Away
	}
	switch {
	case !known:
		return api.Unknown
	case running:
		return api.Running
	}
	return api.Off
}

// refusalOf tells why a guest's present definition is refused; nil if it is not.
func (d *Daemon) refusalOf(guest *instance.Instance) *api.Refusal {
	if r, ok := d.inventory.Refusals().Of(guest.UUID); ok {
		return &r
	}
	return nil
}
