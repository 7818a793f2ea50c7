package hosts

import (
	"testing"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// A change of a guest's record may mean that the guest has begun to run on host 1, or to
// arrive there.
func TestGuestsOnAHost(t *testing.T) {
	guest := func(host, from string, run instance.RunState) *instance.Instance {
		return &instance.Instance{Home: instance.Home{HostID: host, FromID: from, Run: run}}
	}
	off, runs := guest("1", "", instance.NotRunning), guest("1", "", instance.Running)
	starting := guest("1", "", instance.Starting)
	leaving, arriving := guest("2", "1", instance.Running), guest("1", "2", instance.Running)
	received := guest("1", "2", instance.NotRunning) // it has not been seen to run here yet
	elsewhere := guest("2", "", instance.Running)
	for _, tt := range []struct {
		name  string
		guest *instance.Instance
		want  api.GuestOnHost
	}{
		{"off", off, ""},
		{"running", runs, api.GuestRuns},
		{"starting", starting, api.GuestStarts},
		{"on its way to another host", leaving, api.GuestLeaving},
		{"elsewhere", elsewhere, ""},
	} {
		if got := onHost(tt.guest, "1"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name     string
		old, now *instance.Instance
		want     bool
	}{
		{"a new one starts", nil, starting, true},
		{"one that was off starts", off, starting, true},
		{"one that starts runs", starting, runs, false},
		{"something else changes", runs, runs, false},
		{"one stops", runs, off, false},
		{"one is released", runs, nil, false},
		{"one begins to arrive", elsewhere, received, true},
		{"one arrives", elsewhere, arriving, true},
		{"one that has begun to arrive runs", received, runs, false},
		{"one leaves", runs, leaving, false},
		{"one starts elsewhere", nil, elsewhere, false},
	} {
		if got := starts(instance.Event{Old: tt.old, New: tt.now}, "1"); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
