package daemon

import (
	"mdserver/internal/instance"
)

// guests lists those that port security is to know.
func (d *Daemon) guests() []*instance.Instance {
	snapshot := d.inventory.Snapshot()
	list := make([]*instance.Instance, 0, snapshot.Len())
	for guest := range snapshot.All() {
		list = append(list, guest)
	}
	return list
}
