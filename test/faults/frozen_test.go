//go:build e2e

package faults

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/test/lab"
)

// The requests of ioctl(2) that freeze a file system and thaw it: linux/fs.h.
const (
	freeze = 0xC0045877 // FIFREEZE
	thaw   = 0xC0045878 // FITHAW
)

// onExt4 has the server keep a directory on a file system that can be frozen.
func onExt4(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "ext4")
	for _, command := range [][]string{
		{"truncate", "--size=64M", image},
		{"mkfs.ext4", "-q", image},
		{"mount", "-o", "loop", image, dir},
	} {
		if out, err := exec.CommandContext(context.Background(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// frozen freezes a file system until the function that it returns is called for the
// first time.
func frozen(t *testing.T, dir string) (end func()) {
	t.Helper()
	file, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetInt(int(file.Fd()), freeze, 0); err != nil {
		t.Fatal(errors.Join(err, file.Close()))
	}
	ended := false
	return func() {
		if ended {
			return
		}
		ended = true
		if err := errors.Join(unix.IoctlSetInt(int(file.Fd()), thaw, 0), file.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestFrozenDisk has the disk of the database hang. Guests are served, status
// reports it, and the change that waits is made afterwards.
func TestFrozenDisk(t *testing.T) {
	var state string
	s := newService(t, func(c lab.Config) lab.Config {
		state = filepath.Dir(c["mdserver"]["db_file"])
		onExt4(t, state)
		return c
	})
	if status, body, err := s.Upload(context.Background(), guestXML(1)); err != nil || status != 200 {
		t.Fatal(status, body, err)
	}
	thaw := frozen(t, state)
	defer thaw()
	uploaded := make(chan error, 1)
	go func() {
		status, body, err := s.Upload(context.Background(), guestXML(2))
		if err == nil && status != 200 {
			err = errors.New(body)
		}
		uploaded <- err
	}()
	s.statusBecomes(t, false, "database: a write has taken")
	s.askFor(t, time.Second)
	select {
	case err := <-uploaded:
		t.Errorf("a change was answered while the disk hangs: %v", err)
	default:
	}
	thaw()
	if err := <-uploaded; err != nil {
		t.Error(err)
	}
	s.statusBecomes(t, true, "")
}
