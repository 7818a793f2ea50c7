package health

import (
	"testing"
	"time"
)

// A part keeps the time at which it got into its state, also if the message
// changes, and is forgotten when it is gone.
func TestMonitor(t *testing.T) {
	var m Monitor
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	low := Trouble{Part: "disk", State: Warning, Message: "nearly full: 9 KiB are left"}
	lower := Trouble{Part: "disk", State: Warning, Message: "nearly full: 8 KiB are left"}
	full := Trouble{Part: "disk", State: Wrong, Message: "full"}
	early := Trouble{Part: "disk", State: Wrong, Message: "full", Since: at(-9)}
	late := Trouble{Part: "disk", State: Warning, Message: "nearly full", Since: at(99)} // the clock was set back
	steps := []struct {
		minute int
		found  []Trouble
		state  State
		since  int
	}{
		{0, nil, OK, 0},
		{1, nil, OK, 0},
		{2, []Trouble{low}, Warning, 2},
		{3, []Trouble{lower}, Warning, 2},
		{4, []Trouble{lower, full}, Wrong, 4},
		{5, []Trouble{full, low}, Wrong, 4},
		{6, nil, OK, 6},
		{7, []Trouble{early}, Wrong, -9},
		{8, []Trouble{late}, Warning, 8},
	}
	for _, step := range steps {
		parts := m.Observe(at(step.minute), []string{"disk", "log"}, step.found)
		if len(parts) != 2 || parts[1].State != OK || !parts[1].Since.Equal(noon) {
			t.Fatalf("minute %d: %+v", step.minute, parts)
		}
		if disk := parts[0]; disk.State != step.state || !disk.Since.Equal(at(step.since)) || len(disk.Trouble) != len(step.found) {
			t.Errorf("minute %d: %+v, want %s since minute %d", step.minute, disk, step.state, step.since)
		}
	}
	if parts := m.Observe(at(9), nil, []Trouble{full}); len(parts) != 1 || len(m.parts) != 1 {
		t.Errorf("after a part has gone: %+v, remembered: %+v", parts, m.parts)
	}
}

// The names belong to the caller, also the room behind them.
func TestMonitorKeepsNames(t *testing.T) {
	var m Monitor
	names := []string{"log", "unused"}
	parts := m.Observe(time.Time{}, names[:1], []Trouble{{Part: "disk", State: Wrong}})
	if len(parts) != 2 || parts[1].Name != "disk" || names[1] != "unused" {
		t.Errorf("%+v, and the names are %q", parts, names)
	}
}
