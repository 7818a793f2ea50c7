package health

import (
	"strings"
	"testing"
	"time"
)

func TestClockJumps(t *testing.T) {
	tests := []struct {
		name   string
		after  time.Duration // since the last look
		moved  time.Duration // of the wall clock, by itself
		booted time.Duration
		want   string // empty: nothing is wrong
	}{
		{"nothing", 2 * time.Second, 0, time.Hour, ""},
		{"slewed", 2 * time.Second, time.Millisecond, time.Hour, ""},
		{"slewed over a day without a look", 24 * time.Hour, -43 * time.Second, time.Hour, ""},
		{"the host was suspended", 8 * time.Hour, 0, time.Hour, ""},
		{"a leap second", 2 * time.Second, -time.Second, time.Hour, ""},
		{"set back", 2 * time.Second, -time.Hour, time.Hour, "the clock was set back by 1h0m0s"},
		{"set forward", 2 * time.Second, 90 * time.Second, time.Hour, "the clock was set forward by 1m30s"},
		{"set for the first time after the boot", 2 * time.Second, 9 * time.Hour, time.Minute, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wall, passed := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), tt.booted
			c := newClock(func() time.Time { return wall }, func() time.Duration { return passed }, func() (bool, bool) { return true, true })
			passed += tt.after
			wall = wall.Add(tt.after + tt.moved)
			set := wall
			for range 2 { // it is reported for a while
				got := c.Trouble()
				switch {
				case tt.want == "" && len(got) != 0, tt.want != "" && (len(got) != 1 || got[0].Message != tt.want || !got[0].Since.Equal(set)):
					t.Fatalf("%+v, want %q since %s", got, tt.want, set)
				}
				passed += time.Minute
				wall = wall.Add(time.Minute)
			}
			passed += jumpTold
			wall = wall.Add(jumpTold)
			if got := c.Trouble(); len(got) != 0 {
				t.Errorf("an hour later: %+v", got)
			}
		})
	}
}

func TestClockNotSynchronised(t *testing.T) {
	for _, tt := range []struct {
		synced, known bool
		want          string
	}{
		{true, true, ""},
		{false, true, "not synchronised"},
		{false, false, ""}, // a container
	} {
		c := newClock(time.Now, func() time.Duration { return time.Hour }, func() (bool, bool) { return tt.synced, tt.known })
		got := c.Trouble()
		if (len(got) == 0) != (tt.want == "") || len(got) > 0 && (!strings.Contains(got[0].Message, tt.want) || got[0].State != Warning) {
			t.Errorf("synchronised %v, known %v: %+v", tt.synced, tt.known, got)
		}
	}
}
