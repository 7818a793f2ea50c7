package verdict

import (
	"context"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/timeline"
)

// Due tells the record of boots when time alone changes the verdict on one. So all who
// follow guests wait for changes of the record alone, and none of them watches the time.
type Due struct {
	Record     *timeline.Log
	StuckAfter func() time.Duration // see Of; a change of it counts from the next Wake of the record on
}

// Run works until ctx is done.
func (d Due) Run(ctx context.Context) {
	var revision uint64
	var stuckAfter time.Duration
	due := map[uuid.UUID]time.Time{}
	for ctx.Err() == nil {
		next, changed := d.changes(ctx, revision, due)
		revision = next
		if now := d.StuckAfter(); now != stuckAfter {
			stuckAfter, changed = now, d.Record.Guests()
		}
		d.note(due, changed, stuckAfter)
		d.announce(due, stuckAfter)
	}
}

// changes waits until boots change or the first verdict is due.
func (d Due) changes(ctx context.Context, since uint64, due map[uuid.UUID]time.Time) (uint64, []uuid.UUID) {
	if first := earliest(due); !first.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, first)
		defer cancel()
	}
	return d.Record.Changed(ctx, since)
}

func earliest(due map[uuid.UUID]time.Time) (first time.Time) {
	for _, at := range due {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// note finds out when the verdicts on some guests are due.
func (d Due) note(due map[uuid.UUID]time.Time, guests []uuid.UUID, stuckAfter time.Duration) {
	for _, id := range guests {
		delete(due, id)
	}
	if len(guests) == 0 { // for EachPresent, that would be all
		return
	}
	now := time.Now()
	d.Record.EachPresent(guests, func(id uuid.UUID, b api.Boot) {
		if at := Next(b, now, stuckAfter); !at.IsZero() {
			due[id] = at
		}
	})
}

// announce announces the verdicts that are due. A guest that has made requests since it
// was noted is due later: the record only counts these.
func (d Due) announce(due map[uuid.UUID]time.Time, stuckAfter time.Duration) {
	now := time.Now()
	var over []uuid.UUID
	for id, at := range due {
		if !at.After(now) {
			over = append(over, id)
		}
	}
	d.note(due, over, stuckAfter)
	for _, id := range over {
		if _, later := due[id]; !later {
			d.Record.Judged(id)
		}
	}
}
