package hosts

import (
	"context"
	"fmt"
	"time"

	"mdserver/internal/counted"
	"mdserver/internal/health"
	"mdserver/internal/logging/once"
)

const (
	// sparePause is how long the spare addresses wait for further changes.
	sparePause = time.Second
	// sparePeriod is how often they are checked without changes.
	sparePeriod = time.Minute
)

// keepSpares has this host claim addresses for guests that start while etcd does not
// answer, until ctx ends.
func (h *Hosts) keepSpares(ctx context.Context) {
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
		if err := h.replenish(ctx); complaint.New(err) && ctx.Err() == nil {
			h.log.Warn("no addresses could be claimed for guests that start while etcd does not answer", "error", err)
		}
		select {
		case <-h.spares:
		case <-period.C:
		case <-ctx.Done():
			return
		}
	}
}

// replenish does nothing until it is known whether this host is drained.
func (h *Hosts) replenish(ctx context.Context) error {
	if _, known := h.store.Fleet.Drained(); !known {
		return nil
	}
	return h.inventory.Replenish(ctx)
}

// checkSpares has keepSpares check them again, after a change of the inventory or of
// what is known of this host.
func (h *Hosts) checkSpares() {
	select {
	case h.spares <- struct{}{}:
	default:
	}
}

// unshared names the guests that the other hosts do not know of yet, or not as they are.
func (h *Hosts) unshared() (names []string) {
	for guest := range h.inventory.Snapshot().All() {
		if guest.Unshared {
			names = append(names, guest.Name)
		}
	}
	return names
}

// unsharedTrouble tells which guests the other hosts do not know of yet.
func (h *Hosts) unsharedTrouble() []health.Trouble {
	names := h.unshared()
	if len(names) == 0 {
		return nil
	}
	return []health.Trouble{{Part: "etcd", State: health.Warning, Look: []string{"mdserver instance ls"}, Message: fmt.Sprintf(
		"%s registered or changed without etcd; the other hosts do not know of that yet: %s", counted.Of(len(names), "guest was", "guests were"), health.SomeOf(names))}}
}
