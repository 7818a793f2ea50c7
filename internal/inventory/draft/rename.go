package draft

import (
	"mdserver/internal/instance"
)

// Renamed is a guest that has another host name, and why.
type Renamed struct {
	Guest  instance.Instance
	Former string
	Reason string
}

// RenameReserved gives another host name to each guest whose name is given to none.
func (d *Draft) RenameReserved() []Renamed {
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
