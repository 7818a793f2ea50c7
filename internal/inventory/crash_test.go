package inventory_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
)

// crashEnv names the database of the helper process that TestCrash kills.
const crashEnv = "MDSERVER_TEST_CRASH_DB"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		registerForEver(path)
	}
	os.Exit(m.Run())
}

func openBolt(path string, prefix string) (*inventory.Inventory, error) {
	store, err := boltstore.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	opts := inventory.Options{Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix(prefix)}}}
	return inventory.Open(background(), store, opts)
}

// registerForEver registers guests from several goroutines, and prints the
// address of each that was answered, until it is killed.
func registerForEver(path string) {
	inv, err := openBolt(path, "10.0.0.0/8")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for n := w; ; n += 8 {
				r, err := inv.Register(background(), dom(n, fmt.Sprint("g", n)))
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Printf("%d %s\n", n, r.Instance.IPv4)
			}
		})
	}
	writers.Wait()
}

// TestCrash kills a process in the midst of registrations, at different
// moments, and finds every guest that was answered.
func TestCrash(t *testing.T) {
	for _, answers := range []int{1, 50, 500} {
		t.Run(fmt.Sprint("after ", answers), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "inventory.db")
			answered := runAndKill(t, path, answers)
			inv, err := openBolt(path, "10.0.0.0/8")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = inv.Close() }()
			for n, addr := range answered {
				guest, ok := inv.Snapshot().ByUUID(uid(n))
				if !ok || guest.IPv4.String() != addr {
					t.Errorf("guest %d had been told %s, and is now %v", n, addr, guest)
				}
			}
		})
	}
}

// runAndKill starts the helper, kills it after so many answers, and returns
// all answers that it gave.
func runAndKill(t *testing.T, path string, answers int) map[int]string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answered := map[int]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var n int
		var addr string
		if _, err := fmt.Sscan(lines.Text(), &n, &addr); err != nil {
			t.Fatalf("the helper printed %q: %v", lines.Text(), err)
		}
		answered[n] = addr
		if len(answered) == answers {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(answered) < answers {
		t.Fatalf("the helper ended by itself: %v after %d answers", err, len(answered))
	}
	return answered
}
