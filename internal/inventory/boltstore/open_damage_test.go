package boltstore

import (
	"errors"
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

// FuzzOpenDatabase damages the database as fuzzed does, and cuts it off.
func FuzzOpenDatabase(f *testing.F) {
	f.Add(uint32(0), byte(0xff), uint8(1), uint8(2), uint8(0))
	f.Add(uint32(5000), byte(1), uint8(0), uint8(0), uint8(3))
	f.Add(uint32(5000), byte(0), uint8(132), uint8(8), uint8(0))
	h := newHistory(f, fewGuests, 30)
	f.Fuzz(func(t *testing.T, at uint32, flip byte, to, from, cut uint8) {
		h.t = t
		page := os.Getpagesize()
		damaged := h.fuzzed(at, flip, to, from)
		h.open("fuzzed", damaged[:len(damaged)-int(cut)%(len(damaged)/page)*page])
	})
}
