package index

import (
	"slices"
	"time"

	"mdserver/internal/instance"
)

// PastOnly moves times that are still to come to just before now, and keeps
// their order: the wall clock was ahead when they were written. Such an address
// would rest, and such a guest would stay, for as much longer.
func PastOnly(table *instance.Table, now time.Time) {
	var ahead []*time.Time
	for i := range table.Resting {
		ahead = append(ahead, &table.Resting[i].Since)
	}
	for i := range table.Instances {
		ahead = append(ahead, &table.Instances[i].Presence.Since)
	}
	ahead = slices.DeleteFunc(ahead, func(t *time.Time) bool { return !t.After(now) })
	slices.SortStableFunc(ahead, func(a, b *time.Time) int { return a.Compare(*b) })
	for i, t := range ahead {
		// In microseconds, as they are put into order.
		*t = now.Add(-time.Duration(len(ahead)-i) * time.Microsecond)
	}
}
