package roottest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// ObeyModes takes from root, for the rest of a test, what lets it ignore the modes of
// files. All others obey them anyway.
func ObeyModes(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // the thread ends with the test
	if os.Geteuid() != 0 {
		return
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		t.Fatal(err)
	}
	caps[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &caps[0]); err != nil {
		t.Fatal(err)
	}
}
