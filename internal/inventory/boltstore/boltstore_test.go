package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, path string) *Store {
	t.Helper()
	store, err := Open(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func closeStore(t *testing.T, store *Store) {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() inventory.Store {
		path := filepath.Join(t.TempDir(), "inventory.db")
		return func() inventory.Store { return open(t, path) }
	})
}

func TestNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	store := open(t, path)
	defer closeStore(t, store)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestMissingDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "inventory.db")
	if _, err := Open(path, quiet); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want the path and that it does not exist", err)
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	first := open(t, path)
	if _, err := Open(path, quiet); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v, want %v and the path", err, ErrInUse)
	}
	closeStore(t, first)
	closeStore(t, open(t, path))
}

func TestNotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	store := open(t, path)
	if value, err := store.Meta("imported from"); err != nil || value != "" {
		t.Errorf("a new store notes %q, %v", value, err)
	}
	if err := store.SetMeta("imported from", "/var/lib/x.json"); err != nil {
		t.Fatal(err)
	}
	if err := store.SetMeta(schemaKey, "7"); err == nil {
		t.Error("the schema version can be overwritten")
	}
	closeStore(t, store)
	store = open(t, path)
	defer closeStore(t, store)
	if value, err := store.Meta("imported from"); err != nil || value != "/var/lib/x.json" {
		t.Errorf("the note is %q, %v", value, err)
	}
}

// edit changes a closed store's file behind its back.
func edit(t *testing.T, path string, change func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableContent(t *testing.T) {
	tests := []struct {
		name   string
		change func(*bbolt.Tx) error
		want   error
		text   string
	}{
		{"newer schema", func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte(schemaKey), []byte("2")) },
			ErrNewer, "its schema is 2, this one knows up to 1"},
		{"unknown schema", func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte(schemaKey), []byte("x")) },
			ErrDamaged, `schema "x"`},
		{"another program's", func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("accounts"))
			return errors.Join(err, tx.DeleteBucket(metaBucket))
		}, ErrDamaged, `it has the bucket "accounts"`},
		{"lost bucket", func(tx *bbolt.Tx) error { return tx.DeleteBucket(restingBucket) },
			ErrDamaged, `the bucket "resting" is missing`},
		{"record not JSON", func(tx *bbolt.Tx) error { return tx.Bucket(instancesBucket).Put([]byte("key"), []byte("{")) },
			ErrDamaged, `bucket "instances", key 6b6579`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "inventory.db")
			closeStore(t, open(t, path))
			edit(t, path, tt.change)
			expectRefusal(t, path, tt.want, tt.text)
		})
	}
}

// expectRefusal tests that a file cannot be used, and is left as it is.
func expectRefusal(t *testing.T, path string, want error, text string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = use(t, path)
	if !errors.Is(err, want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %v with the path and %q", err, want, text)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

// use opens the store and loads the table; it never panics.
func use(t *testing.T, path string) error {
	t.Helper()
	store, err := Open(path, quiet)
	if err != nil {
		return err
	}
	_, err = store.Load(t.Context())
	return errors.Join(err, store.Close())
}

func TestNotADatabase(t *testing.T) {
	for name, content := range map[string]string{
		"JSON": `[{"domain_name": "x"}]`, "long text": strings.Repeat("not a database\n", 5000), "one byte": "x",
		"zeros": strings.Repeat("\x00", 65536),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "inventory.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			expectRefusal(t, path, ErrDamaged, "")
		})
	}
}

// filled makes a file with enough guests to have branch pages.
func filled(t *testing.T) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "inventory.db")
	store := open(t, path)
	var change instance.Change
	for i := range 500 {
		id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, i))
		change.Put = append(change.Put, instance.Instance{ID: "i", Name: fmt.Sprint(i), UUID: id, Hostname: strings.Repeat("h", 60)})
	}
	if err := store.Apply(t.Context(), []instance.Change{change}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, store)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

// TestDamagedPages overwrites one page after another, and cuts the file off
// after each: the store may find nothing wrong with a page that it does not
// need, but it never panics, and a damaged file is not locked for ever.
func TestDamagedPages(t *testing.T) {
	path, content := filled(t)
	page := os.Getpagesize()
	refused := 0
	try := func(what string, damaged []byte) {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := use(t, path); err != nil {
			refused++
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v, want %v and the path", what, err, ErrDamaged)
			}
		}
	}
	for at := 0; at < len(content); at += page {
		for _, fill := range []byte{0x00, 0xff, 'x'} {
			damaged := bytes.Clone(content)
			copy(damaged[at:], bytes.Repeat([]byte{fill}, page))
			try(fmt.Sprintf("page %d filled with %#x", at/page, fill), damaged)
		}
		if at > 0 {
			try(fmt.Sprintf("cut off at page %d", at/page), content[:at])
		}
	}
	if refused < len(content)/page {
		t.Errorf("only %d of the damages were noticed", refused)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := use(t, path); err != nil {
		t.Errorf("the undamaged file: %v", err)
	}
}

// TestDamageWhileRunning cuts the file off under an open store.
func TestDamageWhileRunning(t *testing.T) {
	path, _ := filled(t)
	store := open(t, path)
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := store.Load(t.Context()); !errors.Is(err, ErrDamaged) {
			t.Errorf("Load: %v, want %v", err, ErrDamaged)
		}
	}
	change := instance.Change{Put: []instance.Instance{{UUID: uuid.New()}}}
	if err := store.Apply(t.Context(), []instance.Change{change}); !errors.Is(err, ErrDamaged) {
		t.Errorf("Apply: %v, want %v", err, ErrDamaged)
	}
	if err := store.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
