package boltstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storetest"
)

// salvage salvages a copy that was damaged, and checks what holds for each: a
// sure record is the last one, each other one was answered once, and what is not
// as it was is told of.
func (h *history) salvage(what string, damaged []byte) *Salvaged {
	h.t.Helper()
	path := h.put(damaged)
	s, err := Salvage(path)
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			h.t.Errorf("%s: %v", what, err)
		}
		return nil
	}
	right := 0
	for _, r := range s.Records {
		if r.Bucket != Instances {
			continue
		}
		var guest instance.Instance
		if err := json.Unmarshal(r.Text, &guest); err != nil {
			h.t.Fatal(err)
		}
		last := reflect.DeepEqual(guest, h.now[guest.UUID])
		if last && r.Certainty != Uncertain {
			right++
		}
		if r.Certainty == Sure && !last {
			h.t.Errorf("%s: the guest %s is said to be sure, and is an older version", what, guest.Name)
		}
		if !slices.ContainsFunc(h.ever[guest.UUID], func(v instance.Instance) bool { return reflect.DeepEqual(v, guest) }) {
			h.t.Errorf("%s: the guest %s never was so", what, guest.Name)
		}
	}
	if s.Sound() && right != len(h.now) {
		h.t.Errorf("%s: %d of %d guests are right, and nothing is told of it", what, right, len(h.now))
	}
	return s
}

// replace checks that the salvaged database opens without damage.
func (h *history) replace(what string, s *Salvaged) {
	h.t.Helper()
	if _, aside, err := s.Replace(); err != nil || (aside == "") != s.Sound() {
		h.t.Fatalf("%s: set aside in %q: %v", what, aside, err)
	}
	want, err := s.content.table(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	got, findings := readAll(h.t, s.path)
	if len(findings) > 0 {
		h.t.Fatalf("%s: %v", what, findings)
	}
	if diff := storetest.Diff(want, got); diff != "" {
		h.t.Errorf("%s: (-want +got):\n%s", what, diff)
	}
}

// TestSalvage: what the present pages hold is sure, whatever page of bbolt's own
// is gone.
func TestSalvage(t *testing.T) {
	h := newHistory(t, guestsInFile, 40)
	page := os.Getpagesize()
	zeroed := func(numbers ...int) []byte {
		damaged := bytes.Clone(h.content)
		for _, n := range numbers {
			clear(damaged[n*page:][:page])
		}
		return damaged
	}
	for name, damaged := range map[string][]byte{
		"no damage":                            h.content,
		"one meta page":                        zeroed(0),
		"the other meta page":                  zeroed(1),
		"both meta pages":                      zeroed(0, 1),
		"both meta pages and the list of free": zeroed(append([]int{0, 1}, pagesOfKind(h.content, 0x10)...)...),
	} {
		s := h.salvage(name, damaged)
		if s == nil || !s.Sound() || s.Count(Instances, Sure) != len(h.now) {
			t.Fatalf("%s: %+v", name, s)
		}
		h.replace(name, s)
	}
}

// pagesOfKind are the numbers of the pages of a kind: 1 for branches, 2 for leaves,
// 16 for lists of free pages.
func pagesOfKind(content []byte, kind byte) (numbers []int) {
	page := os.Getpagesize()
	for n := range len(content) / page {
		if content[n*page+8] == kind {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// TestSalvageRandomDamage makes 200 damages of several kinds, among them pages
// that hold what they held before, as after writes that a disk has lost.
func TestSalvageRandomDamage(t *testing.T) {
	h := newHistory(t, guestsInFile, 60)
	sound, complete, likely, uncertain := 0, 0, 0, 0
	for i := range 200 {
		what, damaged := h.damage(i)
		s := h.salvage(what, damaged)
		if s == nil {
			continue
		}
		if i%8 < 2 { // each kind of damage, and quickly
			h.replace(what, s)
		}
		if s.Sound() {
			sound++
		}
		if s.Count(Instances, Sure) == len(h.now) {
			complete++
		}
		likely += s.Count(Instances, Likely)
		uncertain += s.Count(Instances, Uncertain)
	}
	t.Logf("of 200: %d without any loss, %d with all guests sure; in the others %d records likely, %d uncertain", sound, complete, likely, uncertain)
	if complete < 50 {
		t.Errorf("all guests are sure after %d of 200 damages only", complete)
	}
}

// TestSalvageStaleFile puts the database before the last change in its place: no
// record is sure.
func TestSalvageStaleFile(t *testing.T) {
	h := newHistory(t, guestsInFile, 10)
	older := h.content
	store := open(t, h.path)
	h.apply(store, instance.Change{Put: []instance.Instance{h.version(3, 99)}})
	closeStore(t, store)
	h.mark = readFile(t, markPath(h.path))
	s := h.salvage("the file before the last change", older)
	if s.Sound() || s.Missing != 1 || s.Count(Instances, Sure) != 0 || s.Count(Instances, Likely) == 0 {
		t.Errorf("missing %d, %d sure, %d likely; want 1, 0 and all", s.Missing, s.Count(Instances, Sure), s.Count(Instances, Likely))
	}
}

// TestSalvageAfterReplace checks that all records of a database that was restored are sure.
func TestSalvageAfterReplace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(h *history) error
	}{
		{"over a database", func(*history) error { return nil }},
		{"without its mark", func(h *history) error { return os.Remove(markPath(h.path)) }},
		{"where there is no database", func(h *history) error { return errors.Join(os.Remove(h.path), os.Remove(markPath(h.path))) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory(t, fewGuests, 5)
			table, _ := readAll(t, h.path)
			if err := tt.before(h); err != nil {
				t.Fatal(err)
			}
			if _, err := Replace(h.path, table, nil); err != nil {
				t.Fatal(err)
			}
			s, err := Salvage(h.path)
			if err != nil {
				t.Fatal(err)
			}
			if !s.Sound() || s.Count(Instances, Sure) != len(table.Instances) {
				t.Errorf("%d of %d guests are sure: %q", s.Count(Instances, Sure), len(table.Instances), s.Problems)
			}
		})
	}
}

func TestSalvageWhatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.db")
	store := open(t, path)
	if _, err := Salvage(path); !errors.Is(err, ErrInUse) {
		t.Errorf("while a server has it open: %v, want %v", err, ErrInUse)
	}
	closeStore(t, store)
	for name, content := range map[string]string{"empty": "", "text": "not a database", "zeros": strings.Repeat("\x00", 65536)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Salvage(path); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) {
			t.Errorf("%s: %v, want that it is damaged or empty", name, err)
		}
	}
}

func FuzzSalvage(f *testing.F) {
	f.Add(uint32(0), byte(0xff), uint8(1), uint8(2))
	f.Add(uint32(5000), byte(1), uint8(0), uint8(0))
	f.Add(uint32(5000), byte(0), uint8(132), uint8(8))
	h := newHistory(f, fewGuests, 30)
	f.Fuzz(func(t *testing.T, at uint32, flip byte, to, from uint8) {
		h.t = t
		h.salvage("fuzzed", h.fuzzed(at, flip, to, from))
	})
}

func TestCompact(t *testing.T) {
	h := newHistory(t, guestsInFile, 200)
	before, _ := readAll(t, h.path)
	former, err := Compact(h.path)
	if err != nil {
		t.Fatal(err)
	}
	if kept := readFile(t, former); !bytes.Equal(kept, h.content) {
		t.Error("the copy differs from the former file")
	}
	if now := readFile(t, h.path); len(now) >= len(h.content) {
		t.Errorf("%d bytes, before %d", len(now), len(h.content))
	}
	after, findings := readAll(t, h.path)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	if diff := storetest.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}
