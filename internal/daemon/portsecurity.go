package daemon

import (
	"context"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity"
)

// startPortSecurity has port security follow the guests until the function that
// it returns is called. Which networks have it, takeNetworks says.
func (d *Daemon) startPortSecurity(ctx context.Context) (stop func()) {
	d.ports = portsecurity.New(d.guests, d.log.With("part", "port security"))
	unfollow := d.onChange(ctx, func([]instance.Event) { d.ports.Stir() })
	return func() {
		unfollow()
		d.ports.Close()
	}
}

func (d *Daemon) guests() []*instance.Instance {
	snapshot := d.inventory.Snapshot()
	list := make([]*instance.Instance, 0, snapshot.Len())
	for guest := range snapshot.All() {
		list = append(list, guest)
	}
	return list
}
