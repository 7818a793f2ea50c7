//go:build e2e

package e2e

import (
	"syscall"
	"testing"
	"time"
)

// stopTime is how long a process may take to end after SIGTERM.
const stopTime = 15 * time.Second

// kill ends a process of the lab at once.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
