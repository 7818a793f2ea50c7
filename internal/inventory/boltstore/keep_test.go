package boltstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storetest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFileGoneWhileRunning removes and replaces the file under an open store. All
// changes that were answered are there after the next start.
func TestFileGoneWhileRunning(t *testing.T) {
	faults := map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"removed with its mark": func(t *testing.T, path string) {
			must(t, errors.Join(os.Remove(path), os.Remove(markPath(path))))
		},
		"moved away": func(t *testing.T, path string) { must(t, os.Rename(path, path+".moved")) },
		"replaced by an empty file": func(t *testing.T, path string) {
			must(t, errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)))
		},
		"replaced by another program's file": func(t *testing.T, path string) {
			must(t, errors.Join(os.Remove(path), os.WriteFile(path, []byte("another's"), 0o600)))
		},
		"replaced by a copy": func(t *testing.T, path string) {
			must(t, errors.Join(copyFile(path, path+".copy"), os.Rename(path+".copy", path)))
		},
	}
	notice := map[string]func(*Store) error{
		"a write": func(*Store) error { return nil }, // one follows in any case
		"Keep":    (*Store).Keep,
	}
	for what, fault := range faults {
		for by, keep := range notice {
			t.Run(what+", noticed by "+by, func(t *testing.T) {
				path, _ := filled(t)
				store := open(t, path)
				must(t, store.SetNote(t.Context(), "key", "text"))
				fault(t, path)
				must(t, keep(store))
				must(t, store.Apply(t.Context(), []instance.Change{{Put: []instance.Instance{{UUID: uuid.New(), Name: "new"}}}}))
				want, err := store.Load(t.Context())
				must(t, errors.Join(err, store.Close()))
				got, findings := readAll(t, path)
				if diff := storetest.Diff(want, got); diff != "" || len(findings) > 0 || len(got.Instances) != guestsInFile+1 {
					t.Errorf("%v, (-want +got):\n%s", findings, diff)
				}
			})
		}
		t.Run(what+" before the server stops", func(t *testing.T) {
			path, _ := filled(t)
			store := open(t, path)
			fault(t, path)
			must(t, store.Close())
			got, findings := readAll(t, path)
			if len(got.Instances) != guestsInFile || len(findings) > 0 {
				t.Errorf("%d guests, want %d; %v", len(got.Instances), guestsInFile, findings)
			}
		})
	}
}

// TestForeignFileIsKept: what lies in the database's place is not lost either.
func TestForeignFileIsKept(t *testing.T) {
	path, _ := filled(t)
	store := open(t, path)
	must(t, errors.Join(os.Remove(path), os.WriteFile(path, []byte("another's"), 0o600)))
	must(t, store.Keep())
	kept, err := filepath.Glob(path + ".replaced-*")
	if err != nil || len(kept) != 1 || string(readFile(t, kept[0])) != "another's" {
		t.Errorf("kept %q, %v", kept, err)
	}
	closeStore(t, store)
}

// TestPlaceTaken: while the file cannot be put back, changes are refused, and
// nothing is lost.
func TestPlaceTaken(t *testing.T) {
	for name, fault := range map[string]struct{ begin, end func(path string) error }{
		"a directory in its place": {
			func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
			os.Remove,
		},
		"its directory is gone": {
			func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
			func(path string) error { return os.Mkdir(filepath.Dir(path), 0o700) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := filled(t)
			store := open(t, path)
			change := []instance.Change{{Put: []instance.Instance{{UUID: uuid.New(), Name: "new"}}}}
			must(t, fault.begin(path))
			if err := store.Apply(t.Context(), change); err == nil {
				t.Error("a change that would be gone after a restart was taken")
			}
			if store.Keep() == nil {
				t.Error("Keep does not say that the file cannot be put back")
			}
			must(t, fault.end(path))
			must(t, store.Apply(t.Context(), change))
			must(t, store.Close())
			if got, findings := readAll(t, path); len(got.Instances) != guestsInFile+1 || len(findings) > 0 {
				t.Errorf("%d guests, %v", len(got.Instances), findings)
			}
		})
	}
}

// TestRewrite damages the file in place under an open store. A write fails, and
// then the guests that are in memory, and the notes, are written to a new file.
func TestRewrite(t *testing.T) {
	for name, fault := range map[string]func(path string) error{
		"cut off":     func(path string) error { return os.Truncate(path, int64(2*os.Getpagesize())) },
		"emptied":     func(path string) error { return os.Truncate(path, 0) },
		"overwritten": func(path string) error { return os.WriteFile(path, []byte("another's"), 0o600) },
		"zeroed": func(path string) error {
			info, err := os.Stat(path)
			return errors.Join(err, os.Truncate(path, 0), os.Truncate(path, info.Size()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := filled(t)
			store := open(t, path)
			must(t, store.SetNote(t.Context(), "key", "text"))
			table, err := store.Load(t.Context())
			must(t, err)
			if store.Rewrite(t.Context(), instance.Table{}) == nil {
				t.Fatal("a sound store was rewritten")
			}
			change := []instance.Change{{Put: []instance.Instance{{UUID: uuid.New(), Name: "new"}}}}
			must(t, fault(path))
			if store.Apply(t.Context(), change) == nil {
				t.Fatal("a write to a damaged file succeeded")
			}
			must(t, store.Rewrite(t.Context(), table))
			must(t, store.Apply(t.Context(), change))
			must(t, store.Close())
			again := open(t, path)
			defer closeStore(t, again)
			got, err := again.Load(t.Context())
			note, noteErr := again.Note(t.Context(), "key")
			must(t, errors.Join(err, noteErr))
			if len(got.Instances) != guestsInFile+1 || note != "text" || len(Asides(path)) > 0 {
				t.Errorf("%d guests, note %q, set aside in %q", len(got.Instances), note, Asides(path))
			}
		})
	}
}

// TestAltered: what another program has written into the open file is noticed by
// the next write or by Keep. Nothing is written to a file that may be damaged.
func TestAltered(t *testing.T) {
	page := os.Getpagesize()
	branch := func(content []byte) int { return pagesOfKind(content, 0x01)[0] }
	for name, tt := range map[string]struct {
		alter func(content []byte) []byte
		sound bool
	}{
		"as it was":                    {bytes.Clone, true},
		"a page that leads to itself":  {func(c []byte) []byte { return leading(c, branch(c), branch(c), false) }, false},
		"a letter of a record":         {func(c []byte) []byte { c[bytes.Index(c, []byte("hhhh"))] = 'x'; return c }, false},
		"both pages that say the root": {func(c []byte) []byte { return append(make([]byte, 2*page), c[2*page:]...) }, false},
		"another database":             {func([]byte) []byte { _, other := filled(t); return other }, false},
	} {
		for by, notice := range map[string]func(*Store, []instance.Change) error{
			"a write": func(s *Store, change []instance.Change) error { return s.Apply(t.Context(), change) },
			"Keep": func(s *Store, _ []instance.Change) error {
				if err := s.Keep(); !errors.Is(err, ErrAltered) {
					t.Errorf("Keep: %v, want %v", err, ErrAltered)
				}
				_, err := s.Load(t.Context())
				return err
			},
		} {
			t.Run(name+", noticed by "+by, func(t *testing.T) {
				path, _ := filled(t)
				store := open(t, path)
				must(t, store.SetNote(t.Context(), "key", "text"))
				table, err := store.Load(t.Context())
				must(t, err)
				change := []instance.Change{{Put: []instance.Instance{{UUID: uuid.New(), Name: "new"}}}}
				must(t, os.WriteFile(path, tt.alter(readFile(t, path)), 0o600))
				later := time.Now().Add(time.Second) // the file system's clock may be coarse
				must(t, os.Chtimes(path, later, later))
				if err := notice(store, change); (err == nil) != tt.sound {
					t.Errorf("%v, want an error: %v", err, !tt.sound)
				}
				if !tt.sound {
					must(t, store.Rewrite(t.Context(), table))
				}
				must(t, errors.Join(store.Keep(), store.Apply(t.Context(), change), store.Close()))
				if got, findings := readAll(t, path); len(got.Instances) != guestsInFile+1 || len(findings) > 0 {
					t.Errorf("%d guests, %v", len(got.Instances), findings)
				}
			})
		}
	}
}

// TestReopenNeverBegins: a file that is gone when a failed write has the store open
// it again is not taken for an empty database.
func TestReopenNeverBegins(t *testing.T) {
	for name, fault := range map[string]func(path string) error{
		"removed": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	} {
		path, _ := filled(t)
		store := open(t, path)
		store.suspect = true
		must(t, fault(path))
		if _, err := store.Load(t.Context()); err == nil {
			t.Errorf("%s: the store is empty, want an error", name)
		}
		_ = store.Close()
	}
}
