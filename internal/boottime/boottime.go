// Package boottime is the clock that counts from the start of this host. Unlike
// the wall clock it cannot be set, and unlike Go's monotonic clock it also counts
// while the host is suspended.
package boottime

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// Now returns the time since this host was started.
// Source: clock_gettime(2), CLOCK_BOOTTIME, which no kernel in use lacks.
func Now() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return time.Duration(now.Nano())
}

// bootID is a random UUID that the kernel makes when it starts: random(4).
const bootID = "/proc/sys/kernel/random/boot_id"

// ID names the present boot of this host. Values of Now can be compared only with
// those of the same boot.
func ID() (uuid.UUID, error) {
	text, err := os.ReadFile(bootID)
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("name of this boot: %w", err)
	}
	id, err := uuid.ParseBytes(bytes.TrimSpace(text))
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("%s: %w", bootID, err)
	}
	return id, nil
}
