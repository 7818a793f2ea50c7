package doctor

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// clockError is TIME_ERROR of adjtimex(2): the clock is not synchronised.
const clockError = 5

// inContainer is made by systemd where it runs in a container:
// https://systemd.io/CONTAINER_INTERFACE
const inContainer = "/run/systemd/container"

// checkClock asks for the state only: a clock that is wrong makes guests
// refuse certificates and tokens, and leases end at odd times. The clock of a
// container is set outside of it.
func checkClock(context.Context, *Host) []Finding {
	if _, err := os.Stat(inContainer); err == nil {
		return []Finding{fine("this host is a container, whose clock is set outside of it")}
	}
	state, err := unix.Adjtimex(&unix.Timex{})
	switch {
	case err != nil:
		return []Finding{unknown("the kernel does not tell of its clock: %v", err)}
	case state == clockError:
		return []Finding{warning("the clock is not synchronised").mend("timedatectl set-ntp true")}
	}
	return []Finding{fine("the clock is synchronised")}
}
