package daemon

import (
	"context"
	"sync"

	"mdserver/internal/instance"
	"mdserver/internal/trail"
)

// onChange calls a function with all changes of the inventory, in their order,
// until ctx ends or the function that it returns is called.
func (d *Daemon) onChange(ctx context.Context, do func([]instance.Event)) (stop func()) {
	feed := d.inventory.Subscribe()
	var following sync.WaitGroup
	following.Go(func() {
		for {
			events, err := feed.Next(ctx)
			if err != nil { // the end of ctx or the feed
				return
			}
			do(events)
		}
	})
	return func() {
		feed.Close()
		following.Wait()
	}
}

// forgetReleased has the trails of guests go with the guests, until the function
// that it returns is called.
func (d *Daemon) forgetReleased() (stop func()) {
	return d.onChange(context.Background(), func(events []instance.Event) {
		for _, e := range events {
			if e.Old != nil && e.New == nil {
				d.forgetGuest(e.Old)
			}
		}
	})
}

func (d *Daemon) forgetGuest(guest *instance.Instance) {
	d.trail.Forget(guest.UUID)
	for _, place := range guest.Attachments() {
		d.dhcp.Forget(trail.DHCPClient{Network: place.Network, MAC: place.MAC})
	}
}
