package archive

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"mdserver/internal/timeline"
)

// TestFullDisk checks that a record that was written in part to a full disk is removed, so
// that later records are where the index has them.
func TestFullDisk(t *testing.T) {
	const inChild = "MDSERVER_TEST_BOUNDED" // the size limit applies to all files of a process
	if os.Getenv(inChild) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestFullDisk$")
		cmd.Env = append(os.Environ(), inChild+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "boots.db")
	a := open(t, path)
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(1)}}})
	err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(a.size) + 20, Max: limit.Max})
	if err != nil {
		t.Fatal(err)
	}
	failed := a.Write(timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(2)}}})
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(failed, syscall.EFBIG) {
		t.Fatalf("a write beyond the limit: %v", failed)
	}
	write(t, a, timeline.Batch{Boots: []timeline.GuestBoot{{Guest: web1, Boot: boot(3)}}})
	for name, a := range map[string]*Archive{"now": a, "after a restart": open(t, path)} {
		if got := numbers(t, a, web1); got != "[1 3]" {
			t.Errorf("boots %s %s", name, got)
		}
	}
}
