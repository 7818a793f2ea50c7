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
func (r *Reconciler) Run(ctx context.Context) {
	if r.inventory.HostID() != "" {
		var following sync.WaitGroup
		following.Go(func() { r.followMoves(ctx) })
		following.Go(func() { r.retry(ctx) })
		defer following.Wait()
	}
	for {
		next := r.release(ctx)
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-after(next):
		}
	}
}

// after is time.After, and never fires for a negative wait.
func after(wait time.Duration) <-chan time.Time {
	if wait < 0 {
		return nil
	}
	return time.After(wait)
}

// release releases those that have rested, and tells in how long the next one
// will have; negative if there is none.
func (r *Reconciler) release(ctx context.Context) time.Duration {
	rest := time.Duration(r.rest.Load())
	next := time.Duration(-1)
	if rest < 0 {
		return next
	}
	now := r.inventory.Now()
	for guest := range r.inventory.Snapshot().All() {
		if guest.Presence.State != instance.Gone {
			continue
		}
		wait := guest.Presence.Since.Add(rest).Sub(now)
		if wait <= 0 {
			wait = r.releaseOne(ctx, guest, now.Add(-rest))
		}
		if wait >= 0 && (next < 0 || wait < next) {
			next = wait
		}
	}
	return next
}

// releaseOne releases a guest that is still gone, and tells when to try again;
// negative if there is no need.
func (r *Reconciler) releaseOne(ctx context.Context, guest *instance.Instance, before time.Time) time.Duration {
	released, err := r.inventory.ReleaseGone(ctx, guest.UUID, before)
	if err != nil {
		if ctx.Err() == nil {
			r.log.Error("a removed guest could not be released", "guest", guest.Name, "error", err)
		}
		return retryTime
	}
	if released {
		r.log.Info("guest released: libvirt no longer has it", "guest", guest.Name, "uuid", guest.UUID, "ipv4", guest.IPv4)
	}
	return -1
}

// stir makes Run look again.
func (r *Reconciler) stir() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}
