package watch

import (
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// TestPausedToMove checks that a guest moves while it is paused for a migration, and no
// longer when it has arrived, although the reason then has the same number.
func TestPausedToMove(t *testing.T) {
	for name, tt := range map[string]struct {
		state  golibvirt.DomainState
		reason int32
		want   bool
	}{
		"paused for a migration":  {golibvirt.DomainPaused, int32(golibvirt.DomainPausedMigration), true},
		"paused by hand":          {golibvirt.DomainPaused, int32(golibvirt.DomainPausedUser), false},
		"paused while it starts":  {golibvirt.DomainPaused, int32(golibvirt.DomainPausedStartingUp), false},
		"running":                 {golibvirt.DomainRunning, int32(golibvirt.DomainRunningBooted), false},
		"running, after it moved": {golibvirt.DomainRunning, int32(golibvirt.DomainRunningMigrated), false},
		"shutting down":           {golibvirt.DomainShutdown, int32(golibvirt.DomainPausedMigration), false},
	} {
		if got := pausedToMove(tt.state, tt.reason); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
