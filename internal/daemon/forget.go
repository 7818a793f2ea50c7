package daemon

import (
	"mdserver/internal/instance"
	"mdserver/internal/timeline"
)

// forgetReleased removes the record of guests that are released.
func (d *Daemon) forgetReleased(events []instance.Event) {
	for _, e := range events {
		if e.Old != nil && e.New == nil {
			d.forgetGuest(e.Old)
		}
	}
}

func (d *Daemon) forgetGuest(guest *instance.Instance) {
	d.timeline.Forget(guest.UUID)
	d.reports.Forget(guest.UUID)
	for _, place := range guest.Attachments() {
		d.timeline.DHCP.Forget(timeline.DHCPClient{Network: place.Network, MAC: place.MAC})
	}
}
