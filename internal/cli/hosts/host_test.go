package hosts

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
)

func TestHostSheet(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	want := [][]string{
		{"kvm1", "alive", "", "3", "1.2", "2026-03-01 12:00:00", "yes", "id-1"},
		{`"k 2 "`, "away", "yes", "0", `""`, "2026-03-01 13:00:00", "", ""},
	}
	got := hostSheet([]api.Host{
		{ID: "id-1", Name: "kvm1", Version: "1.2", State: api.HostAlive, Guests: 3, Since: noon, This: true},
		{Name: "k 2 ", State: api.HostAway, Since: noon.Add(time.Hour).UTC(), Drained: noon},
	})
	if diff := cmp.Diff(want, got.Rows); diff != "" {
		t.Error(diff)
	}
}

func TestPrintDrained(t *testing.T) {
	out, in := api.Host{Name: "kvm 1 ", Drained: time.Unix(1, 0)}, api.Host{Name: "kvm1"}
	guests := []api.HostGuest{{Name: "web1", State: api.GuestLeaving, To: "kvm2"}, {Name: "web2", State: api.GuestRuns}}
	for name, tt := range map[string]struct {
		result drainResult
		want   string
		code   int
	}{
		"drained":     {drainResult{RunsOn: api.RunsOn{Host: out}}, "\"kvm 1 \" is drained; 0 guests run there\n", 0},
		"put back":    {drainResult{RunsOn: api.RunsOn{Host: in, Guests: guests[1:]}}, "kvm1 is in service; 1 guest runs there\nGUEST  STATE    TO\nweb2   running  -\n", 0},
		"none remain": {drainResult{RunsOn: api.RunsOn{Host: out}, Outcome: command.Reached}, "\"kvm 1 \" is drained; 0 guests run there\n", 0},
		"some remain": {drainResult{RunsOn: api.RunsOn{Host: out, Guests: guests}, Outcome: command.TimedOut}, "\"kvm 1 \" is drained; 2 guests run there\nGUEST  STATE    TO\nweb1   leaving  kvm2\nweb2   running  -\n", exit.Timeout},
	} {
		var text strings.Builder
		if err := printDrained(&text, tt.result); err != nil || text.String() != tt.want {
			t.Errorf("%s: %v\n%swant\n%s", name, err, &text, tt.want)
		}
		if drainView.Wrong(tt.result) != (tt.code != 0) || drainView.Exit != exit.Timeout {
			t.Errorf("%s: wrong is %v, with the exit code %d", name, drainView.Wrong(tt.result), drainView.Exit)
		}
	}
	var text strings.Builder
	if err := printForgotten(&text, api.Forgotten{Host: out, Guests: 4}); err != nil || text.String() != "forgot \"kvm 1 \", which had 4 guests\n" {
		t.Errorf("%v, %s", err, &text)
	}
}
