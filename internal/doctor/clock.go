package doctor

import (
	"context"

	"mdserver/internal/health"
)

// checkClock asks for the state only: a clock that is wrong makes guests
// refuse certificates and tokens, and leases end at odd times. The clock of a
// container is set outside of it.
func checkClock(context.Context, *Host) []Finding {
	synced, known := health.Synchronised()
	switch {
	case health.InContainer():
		return []Finding{fine("this host is a container; its clock is set outside")}
	case !known:
		return []Finding{unknown("the kernel does not report the state of its clock")}
	case !synced:
		return []Finding{warning("clock_not_synchronised", "the clock is not synchronised").mend("timedatectl set-ntp true")}
	}
	return []Finding{fine("the clock is synchronised")}
}
