package roottest

import (
	"runtime"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// NewSpace makes a network namespace, such as that of a guest or of another host. It
// ends with the test and the processes in it.
func NewSpace(t testing.TB) (space netns.NsHandle) {
	t.Helper()
	err := InSpace(netns.None(), func() error {
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			space, err = netns.Get()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { space.Close() })
	return space
}

// InSpace calls f on a thread in a namespace, and returns the thread to its own.
func InSpace(space netns.NsHandle, f func() error) error {
	runtime.LockOSThread()
	own, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer own.Close()
	if space.IsOpen() {
		if err := netns.Set(space); err != nil {
			runtime.UnlockOSThread()
			return err
		}
	}
	err = f()
	if back := netns.Set(own); back != nil {
		return back // the thread stays locked, so it ends with the goroutine
	}
	runtime.UnlockOSThread()
	return err
}
