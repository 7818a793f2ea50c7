package presence

import (
	"context"
	"sync"
	"time"

	"mdserver/internal/instance"
)

// retryTime is how long a release that failed waits.
const retryTime = 10 * time.Second

// Run releases the guests that have rested, and follows those that move between
// hosts, until ctx ends.
func (k *Reconciler) Run(ctx context.Context) {
	if k.inventory.HostID() != "" {
		var following sync.WaitGroup
		following.Go(func() { k.followMoves(ctx) })
		following.Go(func() { k.retry(ctx) })
		defer following.Wait()
	}
	for {
		next := k.release(ctx)
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		case <-after(next):
		}
	}
}

// after is a channel for a wait that may be none.
func after(wait time.Duration) <-chan time.Time {
	if wait < 0 {
		return nil
	}
	return time.After(wait)
}

// release releases those that have rested, and tells in how long the next one
// will have; negative if there is none.
func (k *Reconciler) release(ctx context.Context) time.Duration {
	rest := time.Duration(k.rest.Load())
	next := time.Duration(-1)
	if rest < 0 {
		return next
	}
	now := k.inventory.Now()
	for guest := range k.inventory.Snapshot().All() {
		if guest.Presence.State != instance.Gone {
			continue
		}
		wait := guest.Presence.Since.Add(rest).Sub(now)
		if wait <= 0 {
			wait = k.releaseOne(ctx, guest, now.Add(-rest))
		}
		if wait >= 0 && (next < 0 || wait < next) {
			next = wait
		}
	}
	return next
}

// releaseOne releases a guest that is still gone, and tells when to try again;
// negative if there is no need.
func (k *Reconciler) releaseOne(ctx context.Context, guest *instance.Instance, before time.Time) time.Duration {
	released, err := k.inventory.ReleaseGone(ctx, guest.UUID, before)
	if err != nil {
		if ctx.Err() == nil {
			k.log.Error("a removed guest could not be released", "guest", guest.Name, "error", err)
		}
		return retryTime
	}
	if released {
		k.log.Info("guest released: libvirt no longer has it", "guest", guest.Name, "uuid", guest.UUID, "ipv4", guest.IPv4)
	}
	return -1
}

// stir makes Run look again.
func (k *Reconciler) stir() {
	select {
	case k.wake <- struct{}{}:
	default: // it will look anyway
	}
}
