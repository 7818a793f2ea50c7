package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"

	"mdserver/internal/instance"
)

// open opens a damaged copy as a server does. It is refused, or each guest is as
// it was last, or the damage is told of; and nothing is served that was never
// answered.
func (h *history) open(what string, damaged []byte) {
	h.t.Helper()
	path := h.put(damaged)
	store, err := Open(path, quiet)
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) && !errors.Is(err, ErrNewer) {
			h.t.Errorf("%s: %v", what, err)
		}
		return
	}
	table, err := store.Load(h.t.Context())
	if err := errors.Join(err, store.Close()); err != nil {
		h.t.Errorf("%s: the rebuilt file cannot be used: %v", what, err)
	}
	told := len(Asides(path)) > 0
	last := len(table.Instances) == len(h.now)
	for _, guest := range table.Instances {
		last = last && reflect.DeepEqual(guest, h.now[guest.UUID])
		if !slices.ContainsFunc(h.ever[guest.UUID], func(v instance.Instance) bool { return reflect.DeepEqual(v, guest) }) {
			h.t.Errorf("%s: the guest %s never was so", what, guest.Name)
		}
	}
	if !last && !told {
		h.t.Errorf("%s: the guests are not as they were, and nothing is told of it", what)
	}
}

// TestOpenRandomDamage opens a database that holds older versions of its records,
// after the damages of TestSalvageRandomDamage.
func TestOpenRandomDamage(t *testing.T) {
	h := newHistory(t, guestsInFile, 60)
	for i := range 60 {
		what, damaged := h.damage(i)
		h.open(what, damaged)
	}
}

// TestOpenWhole: while all records are in the file as they were last written, all
// guests are served, even without the pages that say where the records are.
func TestOpenWhole(t *testing.T) {
	h := newHistory(t, guestsInFile, 60)
	page := os.Getpagesize()
	free := pagesOfKind(h.content, 0x10)
	for _, tt := range []struct {
		zeroed        []int
		whole, damage bool // what a Reader reports; page 1 leads to the last change
	}{
		{[]int{0}, true, false}, {[]int{1}, false, true}, {[]int{0, 1}, true, true}, {free, true, false},
		{append([]int{0, 1}, free...), true, true},
	} {
		zeroed := tt.zeroed
		damaged := bytes.Clone(h.content)
		for _, n := range zeroed {
			clear(damaged[n*page:][:page])
		}
		path := h.put(damaged)
		reader, err := OpenReader(path)
		if err != nil {
			t.Errorf("without the pages %d, the reader: %v", zeroed, err)
			continue
		}
		if table, err := reader.Load(t.Context()); err != nil || reader.Whole() != tt.whole || len(table.Instances) != len(h.now) {
			t.Errorf("without the pages %d: the reader has %d guests, whole %v, findings %v (%v)", zeroed, len(table.Instances), reader.Whole(), reader.Findings(), err)
		}
		if found := len(reader.Findings()) > 0; found != tt.damage {
			t.Errorf("without the pages %d: findings %v", zeroed, reader.Findings())
		}
		store, err := Open(path, quiet)
		if err != nil {
			t.Errorf("without the pages %d: %v", zeroed, err)
			continue
		}
		table, err := store.Load(t.Context())
		if err != nil || len(table.Instances) != len(h.now) {
			t.Errorf("without the pages %d: %d guests, want %d (%v)", zeroed, len(table.Instances), len(h.now), err)
		}
		closeStore(t, store)
	}
}

// TestOpenCircles opens a database in which a page leads back to itself, or to one
// that leads to it.
func TestOpenCircles(t *testing.T) {
	h := newHistory(t, guestsInFile, 60)
	branches := pagesOfKind(h.content, 0x01)
	if len(branches) == 0 {
		t.Fatal("the database has no branch pages")
	}
	for _, from := range branches {
		for _, to := range branches {
			for _, which := range []string{"first", "last"} {
				what := fmt.Sprintf("the %s child of page %d is page %d", which, from, to)
				h.open(what, leading(h.content, from, to, which == "last"))
				h.salvage(what, leading(h.content, from, to, which == "last"))
			}
		}
	}
	for _, leaf := range pagesOfKind(h.content, 0x02) { // the list of buckets is one of them
		what := fmt.Sprintf("page %d leads to itself", leaf)
		damaged := bytes.Clone(h.content)
		header := damaged[leaf*os.Getpagesize():]
		binary.NativeEndian.PutUint16(header[8:], 0x01)
		binary.NativeEndian.PutUint16(header[10:], 1)
		damaged = leading(damaged, leaf, leaf, false)
		h.open(what, damaged)
		h.salvage(what, damaged)
	}
}

// leading gives a copy in which a child of a branch page is another page.
func leading(content []byte, from, to int, last bool) []byte {
	damaged := bytes.Clone(content)
	page := damaged[from*os.Getpagesize():]
	element := 1
	if last {
		element = int(binary.NativeEndian.Uint16(page[10:]))
	}
	binary.NativeEndian.PutUint64(page[element*16+8:], uint64(to))
	return damaged
}

// FuzzOpenDatabase damages the database as fuzzed does, and cuts it off.
func FuzzOpenDatabase(f *testing.F) {
	f.Add(uint32(0), byte(0xff), uint8(1), uint8(2), uint8(0))
	f.Add(uint32(5000), byte(1), uint8(0), uint8(0), uint8(3))
	f.Add(uint32(5000), byte(0), uint8(132), uint8(8), uint8(0))
	f.Add(uint32(78), byte(0xa3), uint8(0xb4), uint8(0x1b), uint8(0)) // a circle
	h := newHistory(f, fewGuests, 30)
	f.Fuzz(func(t *testing.T, at uint32, flip byte, to, from, cut uint8) {
		h.t = t
		page := os.Getpagesize()
		damaged := h.fuzzed(at, flip, to, from)
		h.open("fuzzed", damaged[:len(damaged)-int(cut)%(len(damaged)/page)*page])
	})
}
