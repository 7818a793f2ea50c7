package inventory

import (
	"slices"
	"time"

	"mdserver/internal/boottime"
	"mdserver/internal/instance"
)

// steadyClock returns a clock that starts with the wall clock's time and then
// counts what passes, suspensions included. Steps of the wall clock neither end
// the rest of an address early nor change the order in which addresses rest.
func steadyClock() func() time.Time {
	return steady(time.Now(), boottime.Now)
}

func steady(wall time.Time, passed func() time.Duration) func() time.Time {
	start := passed()
	return func() time.Time { return wall.Add(passed() - start) }
}

// pastOnly moves times that are still to come to just before now, and keeps
// their order: the wall clock was ahead when they were written. Such an address
// would rest, and such a guest would stay, for as much longer.
func pastOnly(table *instance.Table, now time.Time) {
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
