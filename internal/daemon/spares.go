package daemon

import (
	"context"
	"fmt"
	"time"

	"mdserver/internal/health"
	"mdserver/internal/instance"
	"mdserver/internal/logging/once"
)

const (
	// sparePause is how long the spare addresses wait for further changes.
	sparePause = time.Second
	// sparePeriod is how often they are checked without changes.
	sparePeriod = time.Minute
)

// keepSpares has this host claim addresses for guests that start while etcd does not
// answer, until ctx ends. Each value of changed is a change of the inventory or of what
// is known of this host.
func (d *Daemon) keepSpares(ctx context.Context, changed <-chan struct{}) {
	var complaint once.Complaint
	period := time.NewTicker(sparePeriod)
	defer period.Stop()
	for {
		pause := time.NewTimer(sparePause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		if err := d.replenish(ctx); complaint.New(err) && ctx.Err() == nil {
			d.log.Warn("no addresses could be claimed for guests that start while etcd does not answer", "error", err)
		}
		select {
		case <-changed:
		case <-period.C:
		case <-ctx.Done():
			return
		}
	}
}

// replenish does nothing until it is known whether this host is drained.
func (d *Daemon) replenish(ctx context.Context) error {
	if _, known := d.store.Fleet.Drained(); !known {
		return nil
	}
	return d.inventory.Replenish(ctx)
}

// signal sends a value for each change of the inventory, as far as the receiver has
// taken the one before.
func signal(changed chan<- struct{}) func([]instance.Event) {
	return func([]instance.Event) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// unshared names the guests that the other hosts do not know of yet, or not as they are.
func (d *Daemon) unshared() (names []string) {
	for guest := range d.inventory.Snapshot().All() {
		if guest.Unshared {
			names = append(names, guest.Name)
		}
	}
	return names
}

// unsharedTrouble tells which guests the other hosts do not know of yet.
func (d *Daemon) unsharedTrouble() []health.Trouble {
	names := d.unshared()
	if len(names) == 0 {
		return nil
	}
	return []health.Trouble{{Part: "etcd", State: health.Warning, Look: []string{"mdserver instance ls"}, Message: fmt.Sprintf(
		"%d guests were registered or changed without etcd; the other hosts do not know of that yet: %s", len(names), someOf(names))}}
}
