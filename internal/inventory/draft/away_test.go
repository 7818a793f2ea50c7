package draft_test

import (
	"testing"

	"mdserver/internal/instance"
)

// A guest that is away stays so, whatever is missed later and whoever told of it.
// One of which the hook alone told is gone once libvirt does not have it.
func TestMissedGuests(t *testing.T) {
	for _, tt := range []struct {
		name   string
		source string
		seen   bool // by libvirt
		missed []bool
		want   instance.PresenceState
	}{
		{"the hook's", instance.ByHook, false, []bool{false}, instance.Gone},
		{"the hook's, away", instance.ByHook, false, []bool{true}, instance.Away},
		{"the hook's, away and missed", instance.ByHook, false, []bool{true, false, false}, instance.Away},
		{"the hook's, gone and away", instance.ByHook, false, []bool{false, true}, instance.Gone},
		{"the hook's and seen, away and missed", instance.ByHook, true, []bool{true, false}, instance.Away},
		{"seen", instance.ByLibvirt, true, []bool{false}, instance.Gone},
		{"seen, away and missed", instance.ByLibvirt, true, []bool{true, false}, instance.Away},
		{"registered by hand", instance.ByLocal, false, []bool{false, true}, "unseen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			d := dom(1, "web1")
			d.Source = tt.source
			l.MustRegister(d)
			if tt.seen {
				l.MustObserve(d, true)
			}
			for _, away := range tt.missed {
				l.MustMiss(1, away)
			}
			if got := l.Present(1); got != tt.want {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
		})
	}
}
