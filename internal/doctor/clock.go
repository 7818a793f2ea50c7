package doctor

import (
	"context"

	"golang.org/x/sys/unix"
)

// clockError is TIME_ERROR of adjtimex(2): the clock is not synchronised.
const clockError = 5

// checkClock asks for the state only: a clock that is wrong makes guests
// refuse certificates and tokens, and leases end at odd times.
func checkClock(context.Context, *Host) []Finding {
	state, err := unix.Adjtimex(&unix.Timex{})
	switch {
	case err != nil:
		return []Finding{unknown("the kernel does not tell of its clock: %v", err)}
	case state == clockError:
		return []Finding{warning("the clock is not synchronised").mend("timedatectl set-ntp true")}
	}
	return []Finding{fine("the clock is synchronised")}
}
