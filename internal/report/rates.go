package report

import (
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"
)

// A guest may send so many reports a second in the long run, and so many at once.
// A boot of cloud-init sends about a hundred.
const (
	perSecond = 5
	burst     = 500
)

// rates bounds how fast guests report. The zero rates is ready for use.
type rates struct {
	mu     sync.Mutex
	guests map[uuid.UUID]*rate.Limiter
}

// allow takes one report of a guest into account and reports whether it is let in.
func (r *rates) allow(guest uuid.UUID, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter := r.guests[guest]
	if limiter == nil {
		limiter = rate.NewLimiter(perSecond, burst)
		if r.guests == nil {
			r.guests = map[uuid.UUID]*rate.Limiter{}
		}
		r.guests[guest] = limiter
	}
	return limiter.AllowN(now, 1)
}

func (r *rates) forget(guest uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.guests, guest)
}
