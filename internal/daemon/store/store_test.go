package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
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
	if s.Inventory == nil || s.Etcd != nil || s.Shared != nil || s.Fleet != nil || s.HostID != "" || s.Drained() || s.SharedNotes() != nil {
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

// TestDirectory checks that the directory of a first start is open to readers, as far as the
// umask says so: the files in it have modes of their own.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	s, err := open(t, filepath.Join(dir, "lib", "mdserver.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Inventory.Close()
	if err := os.Mkdir(filepath.Join(dir, "like"), 0o755); err != nil {
		t.Fatal(err)
	}
	made, err := os.Stat(filepath.Join(dir, "lib"))
	like, errLike := os.Stat(filepath.Join(dir, "like"))
	if err := errors.Join(err, errLike); err != nil || made.Mode() != like.Mode() {
		t.Errorf("the directory's mode is %v, want %v (%v)", made.Mode(), like.Mode(), err)
	}
}

// TestOpenWithoutDirectory checks that a first start fails if the database's directory cannot
// be made.
func TestOpenWithoutDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, filepath.Join(file, "mdserver.db")); err == nil || !strings.HasPrefix(err.Error(), "database: ") {
		t.Errorf("error %v", err)
	}
}

// TestDatabaseInUse checks that a database that another server has open is not reported as
// unusable.
func TestDatabaseInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mdserver.db")
	s, err := open(t, path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Inventory.Close()
	if _, err := open(t, path); !errors.Is(err, boltstore.ErrInUse) || errors.Is(err, ErrDatabase) {
		t.Errorf("error %v", err)
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

// TestRemedies checks that the error names the newest backup that can be restored, in a
// command that can be pasted.
func TestRemedies(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my files")
	path := filepath.Join(dir, "mdserver.db")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b := backup.New("kvm1", "1.0", instance.Table{}, nil, "")
	if err := backup.Save(path, b, 3); err != nil {
		t.Fatal(err)
	}
	restore := "`mdserver restore '" + backup.NewestSound(path) + "'`"
	anew := path + ".mark away to begin with an empty one"
	for _, tt := range []struct {
		err   error
		texts []string
		final bool // another start fails in the same way
	}{
		{boltstore.ErrNewer, []string{"install that version again"}, true},
		{boltstore.ErrDamaged, []string{"`mdserver database salvage`", restore, anew}, true},
		{boltstore.ErrMissing, []string{"a copy of the database", restore, anew}, true},
		{fs.ErrPermission, []string{fs.ErrPermission.Error()}, false},
	} {
		err := unusable(path, fmt.Errorf("open: %w", tt.err))
		if !errors.Is(err, tt.err) || errors.Is(err, ErrDatabase) != tt.final {
			t.Errorf("error %v, want one that stays after another start: %v", err, tt.final)
		}
		for _, text := range tt.texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q lacks %q", err, text)
			}
		}
	}
}
