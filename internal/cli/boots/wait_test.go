package boots

import (
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
)

func TestConditions(t *testing.T) {
	now := time.Now()
	booted := func(state api.BootState, r api.Reached) api.GuestProgress {
		return api.GuestProgress{Guest: &api.Guest{State: api.Running}, Boot: &api.Boot{Verdict: api.Verdict{State: state}, Reached: r}}
	}
	stopped := booted(api.Failed, api.Reached{Lease: &now, SSH: &now})
	stopped.Boot.Ended = &now
	gone := api.GuestProgress{Guest: &api.Guest{State: api.Gone}}
	for _, c := range []struct {
		name, goal string
		progress   api.GuestProgress
		want       command.Outcome
	}{
		{"unknown", "registered", api.GuestProgress{}, ""},
		{"known", "registered", gone, command.Reached},
		{"unknown", "gone", api.GuestProgress{}, command.Reached},
		{"undefined", "gone", gone, command.Reached},
		{"running", "gone", booted(api.Ready, api.Reached{}), ""},
		{"never booted", "ready", gone, ""},
		{"booting", "ready", booted(api.Booting, api.Reached{}), ""},
		{"stuck, which may end", "ready", booted(api.Stuck, api.Reached{}), ""},
		{"ready", "ready", booted(api.Ready, api.Reached{}), command.Reached},
		{"degraded", "ready", booted(api.Degraded, api.Reached{}), degraded},
		{"failed", "ready", booted(api.Failed, api.Reached{}), failed},
		{"failed, and it may start again", "ready", stopped, ""},
		{"no lease", "lease", booted(api.Booting, api.Reached{}), ""},
		{"a lease", "lease", booted(api.Booting, api.Reached{Lease: &now}), command.Reached},
		{"a lease that was not heard", "lease", booted(api.Booting, api.Reached{Metadata: &now}), command.Reached},
		{"a lease of the boot before", "lease", stopped, ""},
		{"metadata", "metadata", booted(api.Booting, api.Reached{Metadata: &now}), command.Reached},
		{"user-data alone", "metadata", booted(api.Booting, api.Reached{Userdata: &now}), command.Reached},
		{"a lease that was not heard, and user-data alone", "lease", booted(api.Booting, api.Reached{Userdata: &now}), command.Reached},
		{"a lease alone", "metadata", booted(api.Booting, api.Reached{Lease: &now}), ""},
		{"ssh of a boot that failed", "ssh", booted(api.Failed, api.Reached{SSH: &now}), command.Reached},
	} {
		if got := conditions[c.goal](c.progress); got != c.want {
			t.Errorf("--for %s, %s: %q, want %q", c.goal, c.name, got, c.want)
		}
	}
	for _, name := range Conditions {
		if conditions[name] == nil {
			t.Errorf("there is no condition %s", name)
		}
	}
}

func TestExitOfWait(t *testing.T) {
	for _, c := range []struct {
		outcomes []command.Outcome
		want     int
	}{
		{[]command.Outcome{command.Reached, command.Reached}, 0},
		{[]command.Outcome{command.Reached, degraded}, 2},
		{[]command.Outcome{degraded, command.TimedOut}, 124},
		{[]command.Outcome{command.TimedOut, degraded}, 124},
		{[]command.Outcome{command.TimedOut, failed, degraded}, 1},
	} {
		var results []Result
		for _, o := range c.outcomes {
			results = append(results, Result{Outcome: o})
		}
		if got := ExitCode(results); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.outcomes, got, c.want)
		}
	}
}
