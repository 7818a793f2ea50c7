//go:build host

package host

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"mdserver/test/lab"
)

// suite is what all tests share.
var suite struct {
	ctx context.Context // ends on SIGINT, so that every test fails and cleans up

	mu  sync.Mutex
	ran map[string]bool // the places of the documentation's blocks that a test ran
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
	if err := sweep(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "clearing away what an earlier run left:", err)
		return 1
	}
	suite.ctx, suite.ran = ctx, map[string]bool{}
	status := m.Run()
	if status == 0 && flag.Lookup("test.run").Value.String() == "" {
		status = allRan()
	}
	return status
}

// allRan returns 1 unless the tests ran each block that they are to run.
func allRan() int {
	status := 0
	for place, c := range covered {
		if c.test != "" && !suite.ran[place] {
			fmt.Fprintf(os.Stderr, "%s did not run %s\n", c.test, place)
			status = 1
		}
	}
	return status
}

// readBlock returns the text of a block that the calling test runs.
func readBlock(t *testing.T, place string) string {
	t.Helper()
	blocks, err := shellBlocks()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if b.place == place {
			suite.mu.Lock()
			defer suite.mu.Unlock()
			suite.ran[place] = suite.ran[place] || covered[place].test == t.Name()
			return b.text
		}
	}
	t.Fatalf("there is no block %s", place)
	return ""
}

// sweep clears away the hosts of programs that were killed.
func sweep(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "unshare", "--mount", "bash", "boot.sh", "list", namePrefix).Output()
	if err != nil {
		return err
	}
	work, err := filepath.Glob(filepath.Join(os.TempDir(), namePrefix+"*"))
	if err != nil {
		return err
	}
	for _, name := range append(strings.Fields(string(out)), work...) {
		name = filepath.Base(name)
		match := ours.FindStringSubmatch(name)
		if match == nil {
			continue
		}
		if _, err := os.Stat("/proc/" + match[1]); err == nil {
			continue // it may run still
		}
		if out, err := exec.CommandContext(ctx, "unshare", "--mount", "bash", "boot.sh", "clear", name).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		if err := os.RemoveAll(filepath.Join(os.TempDir(), name)); err != nil {
			return err
		}
	}
	return nil
}

// namePrefix begins the name of a host, which ends with the process of its test.
const namePrefix = "mdserver-host-"

var ours = regexp.MustCompile("^" + namePrefix + `[a-z0-9]+-(\d+)$`)

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
