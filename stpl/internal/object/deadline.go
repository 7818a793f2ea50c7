package object

import "time"

// TimeLeft is how long the render may still compute. It is for work that does
// not count steps but takes a timeout.
func (t *Thread) TimeLeft() time.Duration {
	used := t.clock.used()
	if !t.clock.running {
		used = t.clock.since(t.clock.began)
	}
	return t.left.limits.Time - t.left.computed - used
}

// TimeUp is the error of a render that computed for too long.
func (t *Thread) TimeUp() error {
	return computedTooLong(t.left.limits.Time)
}

func computedTooLong(limit time.Duration) error {
	return reached(LimitTime, Fatal("TimeoutError", "the template computed for more than %v", limit))
}
