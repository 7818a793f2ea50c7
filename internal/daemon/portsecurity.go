package daemon

import (
	"context"
	"sync"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity"
)

// startPortSecurity has port security follow the guests until the function that
// it returns is called. Which networks have it, takeNetworks says.
func (d *Daemon) startPortSecurity(ctx context.Context) (stop func()) {
	d.ports = portsecurity.New(d.guests, d.log.With("part", "port security"))
	feed := d.inventory.Subscribe()
	var following sync.WaitGroup
	following.Go(func() {
		for {
			if _, err := feed.Next(ctx); err != nil {
				return
			}
			d.ports.Stir()
		}
	})
	return func() {
		feed.Close()
		following.Wait()
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
