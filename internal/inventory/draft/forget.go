package draft

import (
	"mdserver/internal/instance"
)

// ForgetHost takes all guests from a host, and gives back its spare addresses. It returns
// how many guests there were.
func (d *Draft) ForgetHost(hostID string) (count int) {
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
