package store

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/config"
)

// open opens the database in a directory, without etcd.
func open(t *testing.T, path string) (*Store, error) {
	t.Helper()
	cfg := config.Default()
	cfg.Server.Database, cfg.Server.Identity = path, filepath.Join(filepath.Dir(path), "identity.pem")
	return Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
}

// A database that was made here, with its directory, keeps its notes.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lib", "mdserver.db")
	s, err := open(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Inventory == nil || s.Etcd != nil || s.Shared != nil || s.Fleet != nil || s.HostID != "" || s.Drained() {
		t.Errorf("a host of its own has %+v", s)
	}
	if err := s.Database.SetNote(t.Context(), "note", "kept"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.Inventory.Close(), s.CloseEtcd()); err != nil {
		t.Error(err)
	}
	if s, err = open(t, path); err != nil {
		t.Fatal(err)
	}
	defer s.Inventory.Close()
	if note, err := s.Database.Note(t.Context(), "note"); note != "kept" || err != nil {
		t.Errorf("the note is %q (%v)", note, err)
	}
}

// What cannot be used is told with what repairs it.
func TestDatabaseThatCannotBeUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		harm   func(path string) error
		remedy string
	}{
		"damaged": {func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("no database", 1000)), 0o600) }, "mdserver database salvage"},
		"gone":    {os.Remove, "mdserver restore FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mdserver.db")
			s, err := open(t, path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Database.SetNote(t.Context(), "note", "kept"), s.Inventory.Close(), tt.harm(path)); err != nil {
				t.Fatal(err)
			}
			if _, err := open(t, path); !errors.Is(err, ErrDatabase) || !strings.Contains(err.Error(), tt.remedy) {
				t.Errorf("it is %v, want a remedy: %s", err, tt.remedy)
			}
		})
	}
}
