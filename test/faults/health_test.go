//go:build e2e

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/test/lab"
)

// onTmpfs has the server keep a directory of its own on a small file system.
func onTmpfs(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill leaves no room on a file system, until the function that it returns is
// called.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for {
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			return func() { _ = os.Remove(path) }
		}
	}
}

// replaceByFile puts a file in the place of a directory, until the function that it
// returns is called.
func replaceByFile(t *testing.T, dir string) (restore func()) {
	t.Helper()
	if err := os.Rename(dir, dir+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(os.Remove(dir), os.Rename(dir+".aside", dir)); err != nil {
			t.Error(err)
		}
	}
}

// status returns what `mdserver status` prints, and whether it found nothing wrong.
func (s *service) status() (out string, well bool) {
	out, err := s.Run(context.Background(), nil, "status")
	return out, err == nil
}

// TestTroubleIsTold makes faults of the file systems that the server writes to.
// Guests are answered all the time, and status tells the fault until it is gone.
func TestTroubleIsTold(t *testing.T) {
	var state, log, base string
	s := newService(t, func(c lab.Config) lab.Config {
		state, log = filepath.Dir(c["mdserver"]["db_file"]), filepath.Join(filepath.Dir(c["mdserver"]["logfile"]), "own")
		base = c["dnsmasq"]["base_dir"]
		onTmpfs(t, state)
		onTmpfs(t, log)
		return c.Set("mdserver", "logfile", filepath.Join(log, "mdserver.log"))
	})
	if status, body, err := s.Upload(context.Background(), guestXML(1)); err != nil || status != 200 {
		t.Fatal(status, body, err)
	}
	tests := []struct {
		name  string
		fault func() (end func())
		want  string
	}{
		{"full database", func() func() { return fill(t, state) }, "disk: the file system of " + state + " is full"},
		{"full log", func() func() { return fill(t, log) }, "disk: the file system of " + log + " is full"},
		{"files for dnsmasq cannot be written", func() func() { return replaceByFile(t, base) }, "disk: " + base + " is not a directory"},
		{"the database's place is taken", func() func() {
			path := s.DatabasePath()
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
			s.statusBecomes(t, false, "cannot be put back") // before a change is refused for it
			return func() { _ = os.Remove(path) }
		}, "its file was removed or replaced, and cannot be put back"},
	}
	for n, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if out, well := s.status(); !well {
				t.Fatalf("before the fault:\n%s", out)
			}
			end := tt.fault()
			// It may have room for this change.
			if status, body, err := s.Upload(context.Background(), guestXML(10+n)); err != nil || status != 200 && status != 503 {
				t.Errorf("an upload: %d %s %v", status, body, err)
			}
			s.statusBecomes(t, false, tt.want)
			s.askFor(t, time.Millisecond)
			end()
			if status, body, err := s.Upload(context.Background(), guestXML(20+n)); err != nil || status != 200 {
				t.Errorf("after the fault: %d %s %v", status, body, err)
			}
			s.statusBecomes(t, true, "")
		})
	}
}

// statusBecomes waits until status finds something wrong, and says it once, or
// nothing any more.
func (s *service) statusBecomes(t *testing.T, wellThen bool, want string) {
	t.Helper()
	err := lab.Poll(context.Background(), 10*time.Second, func(context.Context) error {
		if out, well := s.status(); well != wellThen || want != "" && strings.Count(out, want) != 1 {
			return fmt.Errorf("nothing is wrong: %v; want %v and %q once:\n%s", well, wellThen, want, out)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
