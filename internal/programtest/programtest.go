// Package programtest runs tests that need a program of the system, such as etcd.
package programtest

import (
	"os"
	"os/exec"
	"testing"
)

const skip = "MDSERVER_SKIP_PROGRAM_TESTS"

// Need fails a test where a program is missing, and names the Debian package that
// has it. With MDSERVER_SKIP_PROGRAM_TESTS=1 the test is skipped, whether the
// program is there or not, so that the same tests run on each machine.
func Need(t testing.TB, program, debianPackage string) {
	t.Helper()
	if Skipped() {
		t.Skip(skip + "=1")
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("this test needs %s (Debian's package %s), or %s=1, which skips it: %v", program, debianPackage, skip, err)
	}
}

// Skipped reports whether MDSERVER_SKIP_PROGRAM_TESTS=1.
func Skipped() bool { return os.Getenv(skip) == "1" }
