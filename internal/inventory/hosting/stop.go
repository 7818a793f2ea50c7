package hosting

import "mdserver/internal/instance"

// Why a domain stopped, as newer versions of libvirt tell their hooks; up to 9.0 at
// least they give no reason. Other reasons tell nothing of where the guest is. See
// https://libvirt.org/hooks.html.
const (
	stoppedMigrated = "migrated"
	stoppedShutdown = "shutdown"
	stoppedSaved    = "saved"
)

// AfterStop is the home of a guest whose domain has stopped here.
func (h Host) AfterStop(home instance.Home, reason string) instance.Home {
	ranHere := reason == stoppedShutdown || reason == stoppedSaved
	switch {
	case home.HostID == h.ID && (home.FromID == "" || ranHere || reason == stoppedMigrated):
		return Arrived(home, instance.NotRunning)
	case home.HostID == h.ID:
		return SentBack(home)
	case home.FromID != h.ID:
		return home // other hosts' concern
	case ranHere || home.Run == instance.NotRunning && reason != stoppedMigrated: // it never left
		back := SentBack(home)
		back.Run = instance.NotRunning
		return back
	}
	return Arrived(home, instance.Running)
}

// Arrived is the home of a guest that is not on its way any more.
func Arrived(home instance.Home, run instance.RunState) instance.Home {
	home.Run, home.FromHost, home.FromID = run, "", ""
	return home
}
