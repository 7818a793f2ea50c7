// Package cputime tells how long another process has had a processor.
package cputime

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Of is the time of a process in user and kernel mode. The clock of a process is found
// by its pid, see clock_getcpuclockid(3).
func Of(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED of Linux's posix-timers_types.h
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &spent); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(spent.Nano()), nil
}
