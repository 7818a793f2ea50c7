package daemon

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/client"
)

func TestReloadRefusesEmptiedFile(t *testing.T) {
	for text, refused := range map[string]bool{
		"": true, "\n \t\n": true,
		"# all defaults are meant\n": false, "[mdserver]\n": false,
	} {
		path := filepath.Join(t.TempDir(), "mdserver.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := emptied(path)
		if (err != nil) != refused {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%q: the error does not name the file: %v", text, err)
		}
	}
	if err := emptied(filepath.Join(t.TempDir(), "absent")); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestReloadGoesOn checks that a reload is not left half done when who asked for it leaves.
func TestReloadGoesOn(t *testing.T) {
	s := newServer(t)
	s.begin()
	before := s.router.Load()
	s.write(s.text + "[public-keys]\nalice = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmBsuAE8PiXbqJEQgFxRLPC9SmMjRGw3Zs1m2cE6fWp\n")
	s.reloading.Lock()
	asking, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := client.New(s.socket).Reload(asking)
		left <- err
	}()
	s.await("the request", func() bool { return bytes.Contains(goroutines(s), []byte("daemon.(*Daemon).reload")) })
	leave()
	if err := <-left; err == nil {
		t.Error("the client has got an answer")
	}
	// One connection is read: that of the command that lists the goroutines.
	s.await("the server to see that", func() bool { return bytes.Count(goroutines(s), []byte("http.(*connReader).backgroundRead")) <= 1 })
	s.reloading.Unlock()
	s.await("the end of the reload", func() bool { return strings.Contains(s.log.String(), "configuration reloaded") })
	if s.router.Load() == before || strings.Contains(s.log.String(), "the networks were not updated") {
		t.Errorf("guests are answered as before: %v; the log: %s", s.router.Load() == before, s.log)
	}
}

// goroutines lists what a server does.
func goroutines(s *runningServer) []byte {
	s.t.Helper()
	dump, err := client.New(s.socket).Debug(s.t.Context(), "goroutines")
	if err != nil {
		s.t.Fatal(err)
	}
	return dump
}
