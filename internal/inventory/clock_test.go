package inventory

import (
	"testing"
	"time"
)

func TestSteadyClock(t *testing.T) {
	wall := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	passed := 40 * time.Hour // since the host's start
	now := steady(wall, func() time.Duration { return passed })
	for _, step := range []time.Duration{0, time.Nanosecond, 3 * time.Hour} {
		passed += step
		wall = wall.Add(step)
		if got := now(); !got.Equal(wall) {
			t.Errorf("after another %s: %s, want %s", step, got, wall)
		}
	}
}
