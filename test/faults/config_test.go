//go:build e2e

package faults

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// exitConfig is the exit code by which systemd does not start a server again.
const exitConfig = 78

// TestBrokenConfiguration: a file that is no whole configuration is refused by a
// reload, which changes nothing, and by a start, which names the file. A start
// takes an empty file for all defaults, as the original does.
func TestBrokenConfiguration(t *testing.T) {
	s := newSubject(t, nil)
	s.addGuest()
	good, err := os.ReadFile(s.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	cut := strings.LastIndex(string(good), "listen_address") + len("listen_addr")
	for _, c := range []struct {
		name, text string
		starts     bool
	}{
		{"empty", "", true},
		{"white space", " \n\n", true},
		{"zeros, as after a power loss", strings.Repeat("\x00", 4096), false},
		{"cut off within a key", string(good)[:cut], false},
		{"no text", string(garbage()), false},
		{"a bad value", strings.Replace(string(good), "port = 80", "port = eighty", 1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(s.ConfigFile, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			if reloaded, err := s.control.Reload(context.Background()); err == nil {
				t.Errorf("the reload is accepted: %+v", reloaded)
			} else if !strings.Contains(err.Error(), s.ConfigFile) {
				t.Errorf("the reload does not name the file: %v", err)
			}
			if err := s.ask(context.Background()); err != nil {
				t.Errorf("the guest is not served any more: %v", err)
			}
			if c.starts {
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			out, err := s.Host.Command(ctx, binary(t), "serve", "--config", s.ConfigFile).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != exitConfig || !strings.Contains(string(out), s.ConfigFile) {
				t.Errorf("a start: %v\n%s", err, out)
			}
		})
	}
	if err := os.WriteFile(s.ConfigFile, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.control.Reload(context.Background()); err != nil {
		t.Error(err)
	}
	s.recovers()
}
