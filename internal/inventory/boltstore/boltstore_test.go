package boltstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/roottest"
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

func openReader(t testing.TB, path string) *Reader {
	t.Helper()
	reader, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

// readAll opens a database for reading, and returns what is sound in it and what is
// not.
func readAll(t testing.TB, path string) (instance.Table, []Finding) {
	t.Helper()
	reader := openReader(t, path)
	table, err := reader.Load(t.Context())
	if err := errors.Join(err, reader.Close()); err != nil {
		t.Fatal(err)
	}
	return table, reader.Findings()
}

func closeStore(t *testing.T, store *Store) {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		path := filepath.Join(t.TempDir(), "inventory.db")
		return storetest.Opener{
			Open: func() storage.Store { return open(t, path) },
			Read: func() storage.Reader { return openReader(t, path) },
		}
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

func TestNotesOfTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	store := open(t, path)
	for _, key := range []string{schemaKey, stateKey} {
		if err := store.SetNote(t.Context(), key, "7"); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("the store's own note %q can be overwritten: %v", key, err)
		}
		if text, err := store.Note(t.Context(), key); err != nil || text != "" {
			t.Errorf("the store's own note %q is one of the server's: %q, %v", key, text, err)
		}
	}
	closeStore(t, store)
	closeStore(t, open(t, path))
}

func TestReaderOfMissingOrOpenDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	if _, err := OpenReader(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a database: %v, want %v", err, os.ErrNotExist)
	}
	store := open(t, path)
	if _, err := OpenReader(path); !errors.Is(err, ErrInUse) {
		t.Errorf("while a server has it open: %v, want %v", err, ErrInUse)
	}
	closeStore(t, store)
}

// A Reader writes nothing, neither the database nor a file beside it.
func TestReaderChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	store := open(t, path)
	if err := store.SetNote(t.Context(), "key", "text"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, store)
	before := contents(t, filepath.Dir(path))
	readAll(t, path)
	if after := contents(t, filepath.Dir(path)); !maps.Equal(before, after) {
		t.Errorf("files are %q, and were %q", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
	}
}

// contents returns what the files in a directory contain, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
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
		{"newer schema", func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte(schemaKey), []byte("3")) },
			ErrNewer, "its schema is 3, this version supports schemas up to 2"},
		{"unknown schema", func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte(schemaKey), []byte("x")) },
			ErrDamaged, `schema "x"`},
		{"another program's", func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("accounts"))
			return errors.Join(err, tx.DeleteBucket(metaBucket))
		}, ErrDamaged, `it has the bucket "accounts"`},
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

const guestsInFile = 120

// filled makes a file with enough guests to have branch pages.
func filled(t *testing.T) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "inventory.db")
	store := open(t, path)
	var change instance.Change
	for i := range guestsInFile {
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

// damageTest opens a copy of a database after it was damaged.
type damageTest struct {
	t       *testing.T
	content []byte
	mark    []byte
	want    map[uuid.UUID]instance.Instance
	noticed int
}

func newDamageTest(t *testing.T) *damageTest {
	path, content := filled(t)
	mark, err := os.ReadFile(markPath(path))
	if err != nil {
		t.Fatal(err)
	}
	table, findings := readAll(t, path)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	d := &damageTest{t: t, content: content, mark: mark, want: map[uuid.UUID]instance.Instance{}}
	for _, guest := range table.Instances {
		d.want[guest.UUID] = guest
	}
	return d
}

// try opens the damaged content. It is refused, or what is lost was told of
// and all else is as it was: nothing is ever changed in silence.
func (d *damageTest) try(what string, damaged []byte) {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), "inventory.db")
	if err := errors.Join(os.WriteFile(path, damaged, 0o600), os.WriteFile(markPath(path), d.mark, 0o600)); err != nil {
		d.t.Fatal(err)
	}
	store, err := Open(path, quiet)
	if err != nil {
		d.noticed++
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) && !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), path) {
			d.t.Errorf("%s: %v, want %v and the path", what, err, ErrDamaged)
		}
		return
	}
	table, err := store.Load(d.t.Context())
	closeStore(d.t, store)
	if err != nil {
		d.t.Errorf("%s: the rebuilt file cannot be loaded: %v", what, err)
	}
	told := len(Asides(path)) > 0
	if told {
		d.noticed++
	}
	for _, guest := range table.Instances {
		if !reflect.DeepEqual(guest, d.want[guest.UUID]) {
			d.t.Errorf("%s: guest %q was changed", what, guest.Name)
		}
	}
	if lost := len(d.want) - len(table.Instances); lost != 0 && !told {
		d.t.Errorf("%s: %d guests vanished in silence", what, lost)
	}
}

// TestDamagedPages overwrites one page after another, and cuts the file off
// after each.
func TestDamagedPages(t *testing.T) {
	d := newDamageTest(t)
	page := os.Getpagesize()
	for at := 0; at < len(d.content); at += page {
		for _, fill := range []byte{0x00, 0xff} {
			damaged := bytes.Clone(d.content)
			copy(damaged[at:], bytes.Repeat([]byte{fill}, page))
			d.try(fmt.Sprintf("page %d filled with %#x", at/page, fill), damaged)
		}
		d.try(fmt.Sprintf("cut off at page %d", at/page), d.content[:at])
	}
	if d.noticed < len(d.content)/page {
		t.Errorf("only %d of the damages were noticed", d.noticed)
	}
	d.try("no damage", d.content)
}

// TestFlippedBits flips 200 bits, one at a time, half of them where a page
// tells what is in it.
func TestFlippedBits(t *testing.T) {
	d := newDamageTest(t)
	random := rand.New(rand.NewPCG(1, 2))
	page := os.Getpagesize()
	for i := range 200 {
		damaged := bytes.Clone(d.content)
		at := random.IntN(len(damaged))
		if i%2 == 0 {
			at = at/page*page + random.IntN(128)
		}
		bit := random.IntN(8)
		damaged[at] ^= 1 << bit
		d.try(fmt.Sprintf("bit %d of byte %d of page %d", bit, at%page, at/page), damaged)
	}
	t.Logf("%d of 200 were noticed, the others harmless", d.noticed)
}

// TestOneDamagedRecord: all other guests are served.
func TestOneDamagedRecord(t *testing.T) {
	tests := map[string]func(b *bbolt.Bucket, key, value []byte) error{
		"altered text": func(b *bbolt.Bucket, key, value []byte) error {
			return b.Put(key, bytes.Replace(value, []byte("hhh"), []byte("xhh"), 1))
		},
		"no checksum": func(b *bbolt.Bucket, key, _ []byte) error { return b.Put(key, []byte("{}")) },
		"under another key": func(b *bbolt.Bucket, key, value []byte) error {
			return errors.Join(b.Delete(key), b.Put(uuid.NameSpaceDNS[:], value))
		},
		"sealed under another key": func(b *bbolt.Bucket, key, value []byte) error {
			other := uuid.NameSpaceDNS[:]
			return errors.Join(b.Delete(key), b.Put(other, seal(instancesBucket, other, value[sealLength:])))
		},
		"gone": func(b *bbolt.Bucket, key, _ []byte) error { return b.Delete(key) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			path, _ := filled(t)
			edit(t, path, func(tx *bbolt.Tx) error {
				b := tx.Bucket(instancesBucket)
				key, value := b.Cursor().First()
				return change(b, bytes.Clone(key), bytes.Clone(value))
			})
			store := open(t, path)
			table, err := store.Load(t.Context())
			if err != nil || len(table.Instances) != guestsInFile-1 {
				t.Errorf("%d guests, %v; want %d", len(table.Instances), err, guestsInFile-1)
			}
			closeStore(t, store)
			if n := len(Asides(path)); n != 1 {
				t.Errorf("%d files tell of it, want 1", n)
			}
			closeStore(t, open(t, path))
			if n := len(Asides(path)); n != 1 {
				t.Errorf("it is told of again: %d files", n)
			}
		})
	}
}

// TestNoBeginning: where there was a database, an empty or missing file is no
// new one.
func TestNoBeginning(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := filled(t)
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path, quiet); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want %v and the path", err, ErrMissing)
			}
		})
	}
}

// TestLostChange puts the database before the last change in its place.
func TestLostChange(t *testing.T) {
	path, before := filled(t)
	store := open(t, path)
	if err := store.Apply(t.Context(), []instance.Change{{Delete: []uuid.UUID{uuid.New()}}}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, store)
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	_, findings := readAll(t, path)
	if len(findings) != 1 || !strings.Contains(findings[0].Reason, "the last change is missing") {
		t.Errorf("%v; want that the last change is missing", findings)
	}
	closeStore(t, open(t, path))
	if n := len(Asides(path)); n != 1 {
		t.Errorf("%d files tell of it, want 1", n)
	}
}

// TestUpgrade opens a database of the first schema, whose records had no
// checksums.
func TestUpgrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	guest := instance.Instance{ID: "i-1", Name: "web1", UUID: uuid.New(), Hostname: "web1"}
	edit(t, path, func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		text, err := json.Marshal(guest)
		meta := tx.Bucket(metaBucket)
		return errors.Join(err, tx.Bucket(instancesBucket).Put(guest.UUID[:], text),
			meta.Put([]byte(schemaKey), []byte("1")), meta.Put([]byte("imds_key"), []byte("secret")))
	})
	before := readFile(t, path)
	must(t, os.Mkdir(path+".schema1", 0o700)) // in the place of the copy
	if _, err := Open(path, quiet); err == nil || !bytes.Equal(readFile(t, path), before) {
		t.Errorf("without room for a copy: %v", err)
	}
	must(t, os.Remove(path+".schema1"))
	store := open(t, path)
	defer closeStore(t, store)
	table, err := store.Load(t.Context())
	if err != nil || len(table.Instances) != 1 || !reflect.DeepEqual(table.Instances[0], guest) {
		t.Errorf("%v, %v; want %v", table.Instances, err, guest)
	}
	if note, err := store.Note(t.Context(), "imds_key"); err != nil || note != "secret" {
		t.Errorf("the note is %q, %v", note, err)
	}
	older, err := os.ReadFile(path + ".schema1")
	if err != nil || !bytes.Equal(older, before) {
		t.Errorf("the older database was not kept: %v", err)
	}
}

// TestOwner: a server that root starts by hand leaves the files to the user
// whose database it is.
func TestOwner(t *testing.T) {
	roottest.Need(t, "gives files away")
	const user = 12345
	path, _ := filled(t)
	edit(t, path, func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte("note"), []byte("damaged")) })
	if err := os.Chown(path, user, user); err != nil {
		t.Fatal(err)
	}
	closeStore(t, open(t, path))
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 5 {
		t.Errorf("the files %q, %v; want database, mark, copies of both and what was set aside", files, err)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != user || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want it to be user %d's alone", name, info.Mode(), err, user)
		}
	}
}

// TestDamageWhileRunning cuts the file off under an open store: what cannot be
// read is an error, and no write is taken for made.
func TestDamageWhileRunning(t *testing.T) {
	path, _ := filled(t)
	store := open(t, path)
	if _, err := store.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	change := instance.Change{Put: []instance.Instance{{UUID: uuid.New()}}}
	for range 2 {
		if _, err := store.Load(t.Context()); !errors.Is(err, ErrDamaged) {
			t.Errorf("Load: %v, want %v", err, ErrDamaged)
		}
		if err := store.Apply(t.Context(), []instance.Change{change}); !errors.Is(err, ErrDamaged) {
			t.Errorf("Apply: %v, want %v", err, ErrDamaged)
		}
	}
	if err := store.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
