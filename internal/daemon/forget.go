package daemon

import (
	"context"
	"sync"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/trail"
)

// forgetReleased has the trails of guests go with the guests, until the function
// that it returns is called.
func (d *Daemon) forgetReleased() (stop func()) {
	feed := d.inventory.Subscribe()
	var following sync.WaitGroup
	following.Go(func() { d.forget(feed) })
	return func() {
		feed.Close()
		following.Wait()
	}
}

func (d *Daemon) forget(feed *inventory.Subscription) {
	for {
		events, err := feed.Next(context.Background())
		if err != nil {
			return // the feed was closed
		}
		for _, e := range events {
			if e.Old != nil && e.New == nil {
				d.forgetGuest(e.Old)
			}
		}
	}
}

func (d *Daemon) forgetGuest(guest *instance.Instance) {
	d.trail.Forget(guest.UUID)
	for _, place := range guest.Attachments() {
		d.dhcp.Forget(trail.DHCPClient{Network: place.Network, MAC: place.MAC})
	}
}
