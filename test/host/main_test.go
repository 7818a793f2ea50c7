//go:build host

package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"mdserver/test/lab"
)

// suite is what all tests share: set once before the first of them.
var suite struct {
	ctx context.Context // ends on SIGINT, so that every test fails and cleans up
}

func TestMain(m *testing.M) {
	for _, name := range []string{"MDSERVER_SKIP_HOST", "MDSERVER_SKIP_E2E"} {
		if os.Getenv(name) == "1" {
			fmt.Printf("tests of whole hosts skipped: %s=1\n", name)
			return
		}
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := lab.Check("systemd-nspawn", "nsenter", "unshare", "mmdebstrap", "grub-mkimage", "sfdisk", "debugfs", "qemu-img"); err != nil {
		fmt.Fprintln(os.Stderr, "tests of whole hosts cannot run:", err)
		fmt.Fprintln(os.Stderr, "MDSERVER_SKIP_HOST=1 skips them")
		return 1
	}
	suite.ctx = ctx
	return m.Run()
}

// built returns what scripts/build-host makes of a kind.
func built(t *testing.T, kind string) string {
	t.Helper()
	cmd := exec.CommandContext(suite.ctx, "../../scripts/build-host", kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scripts/build-host %s: %v", kind, err)
	}
	return strings.TrimSpace(string(out))
}
