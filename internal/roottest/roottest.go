// Package roottest runs tests that need root, in a network namespace of their own.
package roottest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

const (
	inNamespace = "MDSERVER_TEST_NAMESPACE"
	skip        = "MDSERVER_SKIP_ROOT_TESTS"
)

// Need fails a test that is not run as root, and names what the test does. With
// MDSERVER_SKIP_ROOT_TESTS=1 the test is skipped, for root as well, so that the same
// tests run for each user.
func Need(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(skip) == "1" {
		t.Skip(skip + "=1")
	}
	if os.Geteuid() != 0 {
		t.Fatalf("this test %s and needs root; %s=1 skips it", what, skip)
	}
}

// InNamespace runs the tests of a package in a new network namespace, where
// they may make bridges and nftables tables and bind any port. Only the loopback
// interface is up. Without root, or if root's tests are skipped, they run where they
// are. Call it from TestMain. It returns the exit code.
func InNamespace(m *testing.M) int {
	switch {
	case os.Geteuid() != 0 || os.Getenv(skip) == "1":
		return m.Run()
	case os.Getenv(inNamespace) != "":
		if err := loopbackUp(); err != nil {
			fmt.Fprintln(os.Stderr, "cannot bring up the loopback interface:", err)
			return 1
		}
		return m.Run()
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig is sent when the thread ends
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "cannot make a network namespace:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func loopbackUp() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(loopback)
}

// AwaitUp waits until the kernel lets frames pass by links, which is a moment after
// they are up.
func AwaitUp(t testing.TB, names ...string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if !slices.ContainsFunc(names, func(name string) bool {
			link, err := netlink.LinkByName(name)
			return err != nil || link.Attrs().OperState != netlink.OperUp
		}) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not all of %v come up", names)
		}
	}
}
