package daemon

import (
	"mdserver/internal/instance"
	"mdserver/internal/trail"
)

// forgetReleased has the trails of guests go with the guests.
func (d *Daemon) forgetReleased(events []instance.Event) {
	for _, e := range events {
		if e.Old != nil && e.New == nil {
			d.forgetGuest(e.Old)
		}
	}
}

func (d *Daemon) forgetGuest(guest *instance.Instance) {
	d.trail.Forget(guest.UUID)
	for _, place := range guest.Attachments() {
		d.dhcp.Forget(trail.DHCPClient{Network: place.Network, MAC: place.MAC})
	}
}
