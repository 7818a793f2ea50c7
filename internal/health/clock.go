package health

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/boottime"
)

const (
	// jump is how far the wall clock must move by itself between two looks to have
	// been set. A clock that is only slewed moves by 500 ppm at most: adjtimex(2).
	jump = 2 * time.Second
	slew = 1000 // a clock may gain or lose one in so many
	// jumpTold is how long a jump is reported.
	jumpTold = time.Hour
	// settling is how long after the host's boot the clock may still be set without
	// a report: many hosts learn the time from the network.
	settling = 5 * time.Minute
)

// Clock notices when the wall clock is set. Make one with NewClock.
type Clock struct {
	wall   func() time.Time
	passed func() time.Duration // since the host's boot
	synced func() (synced, known bool)

	mu     sync.Mutex
	at     time.Duration // of the last look
	ahead  time.Duration // the wall clock's time less passed, then
	jumped time.Duration // the size of the last jump
	when   time.Duration // of that jump
}

// NewClock makes a clock that compares the wall clock with the time since the
// host's boot.
func NewClock() *Clock {
	return newClock(time.Now, boottime.Now, Synchronised)
}

func newClock(wall func() time.Time, passed func() time.Duration, synced func() (bool, bool)) *Clock {
	c := &Clock{wall: wall, passed: passed, synced: synced}
	c.at, c.ahead = c.read()
	return c
}

// read reads both clocks. The wall clock's time is without a monotonic part.
func (c *Clock) read() (at, ahead time.Duration) {
	at = c.passed()
	return at, time.Duration(c.wall().UnixNano()) - at
}

// Trouble returns what is wrong with the wall clock.
func (c *Clock) Trouble() []Trouble {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ahead := c.read()
	moved := ahead - c.ahead
	if moved.Abs() > jump+(at-c.at)/slew && at > settling {
		c.jumped, c.when = moved, at
	}
	c.at, c.ahead = at, ahead
	var all []Trouble
	if c.jumped != 0 && at-c.when < jumpTold {
		direction := "forward"
		if c.jumped < 0 {
			direction = "back"
		}
		all = append(all, Trouble{Part: "clock", State: Warning, Since: c.wall().Add(c.when - at),
			Message: fmt.Sprintf("the clock was set %s by %s", direction, c.jumped.Abs().Round(time.Second)),
			Look:    []string{"timedatectl"}})
	}
	if synced, known := c.synced(); known && !synced {
		all = append(all, Trouble{Part: "clock", State: Warning, Message: "the clock is not synchronised",
			Look: []string{"timedatectl set-ntp true"}})
	}
	return all
}

// clockError is TIME_ERROR of adjtimex(2): the clock is not synchronised.
const clockError = 5

// containerMarks are files that systemd, Docker and Podman make in containers:
// https://systemd.io/CONTAINER_INTERFACE
var containerMarks = []string{"/run/systemd/container", "/.dockerenv", "/run/.containerenv"}

// Synchronised tells whether the kernel's clock is synchronised. It is not known
// in a container, whose clock is set outside of it, or if the kernel refuses to
// say.
func Synchronised() (synced, known bool) {
	if InContainer() {
		return false, false
	}
	return kernelSays(unix.Adjtimex(&unix.Timex{}))
}

// kernelSays takes the answer of adjtimex(2).
func kernelSays(state int, err error) (synced, known bool) {
	return state != clockError, err == nil
}

// InContainer reports whether this process runs in a container.
func InContainer() bool { return isContainer("/") }

// isContainer looks for the marks below a root directory.
func isContainer(root string) bool {
	return slices.ContainsFunc(containerMarks, func(mark string) bool {
		_, err := os.Stat(filepath.Join(root, mark))
		return err == nil
	})
}
