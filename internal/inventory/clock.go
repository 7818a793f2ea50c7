package inventory

import (
	"time"

	"mdserver/internal/boottime"
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
