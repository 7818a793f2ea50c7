package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/memorytest"
)

// history is a database that was changed many times since it was opened, so that
// its free pages hold older versions of its records.
type history struct {
	t       testing.TB
	path    string
	content []byte
	mark    []byte
	now     map[uuid.UUID]instance.Instance
	ever    map[uuid.UUID][]instance.Instance // each version that was answered
	random  *rand.Rand
}

// fewGuests still take several pages. Fuzzers use them: each input is a whole
// database.
const fewGuests = 24

func newHistory(t testing.TB, guests, changes int) *history {
	t.Helper()
	h := &history{
		t: t, path: filepath.Join(t.TempDir(), "inventory.db"), random: rand.New(rand.NewPCG(1, 2)),
		now: map[uuid.UUID]instance.Instance{}, ever: map[uuid.UUID][]instance.Instance{},
	}
	store, err := Open(h.path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	var first instance.Change
	for i := range guests {
		first.Put = append(first.Put, h.version(i, 0))
	}
	h.apply(store, first)
	for n := range changes {
		guest := h.version(h.random.IntN(guests), n+1)
		if _, there := h.now[guest.UUID]; there && n%5 == 0 {
			h.apply(store, instance.Change{Delete: []uuid.UUID{guest.UUID}, Rest: []instance.Resting{{Addr: guest.IPv4, UUID: guest.UUID}}})
			continue
		}
		h.apply(store, instance.Change{Put: []instance.Instance{guest}})
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	h.content, h.mark = readFile(t, h.path), readFile(t, markPath(h.path))
	return h
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (h *history) version(i, n int) instance.Instance {
	return instance.Instance{
		ID: fmt.Sprint("i-", i), Name: fmt.Sprint(i), UUID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, i)),
		Hostname: strings.Repeat("h", 60), Location: fmt.Sprint(n), IPv4: ip(i),
		LastUpdate: time.Date(2026, 1, 1, 0, n, 0, 0, time.UTC),
	}
}

func (h *history) apply(store *Store, change instance.Change) {
	h.t.Helper()
	if err := store.Apply(h.t.Context(), []instance.Change{change}); err != nil {
		h.t.Fatal(err)
	}
	for _, id := range change.Delete {
		delete(h.now, id)
	}
	for _, guest := range change.Put {
		h.now[guest.UUID] = guest
		h.ever[guest.UUID] = append(h.ever[guest.UUID], guest)
	}
}

// put writes a damaged copy to a new directory.
func (h *history) put(damaged []byte) (path string) {
	h.t.Helper()
	path = filepath.Join(memorytest.Dir(h.t), "inventory.db")
	if err := errors.Join(os.WriteFile(path, damaged, 0o600), os.WriteFile(markPath(path), h.mark, 0o600)); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// fuzzed alters one byte, and puts one page in the place of another. If to is at
// least 128, the page gets the number of its new place: bbolt takes it for what was
// written there, as when a disk has lost a later write.
func (h *history) fuzzed(at uint32, flip byte, to, from uint8) []byte {
	page := os.Getpagesize()
	count := len(h.content) / page
	damaged := bytes.Clone(h.content)
	damaged[int(at)%len(damaged)] ^= flip
	place := int(to) % count
	copy(damaged[place*page:][:page], h.content[int(from)%count*page:])
	if to >= 128 {
		binary.NativeEndian.PutUint64(damaged[place*page:], uint64(place))
	}
	return damaged
}

// damage makes the i-th damage.
func (h *history) damage(i int) (what string, damaged []byte) {
	page := os.Getpagesize()
	count := len(h.content) / page
	damaged = bytes.Clone(h.content)
	n, m := h.random.IntN(count), h.random.IntN(count)
	switch i % 6 {
	case 0:
		clear(damaged[n*page:][:page])
		return fmt.Sprintf("page %d zeroed", n), damaged
	case 1:
		clear(damaged[:2*page])
		clear(damaged[n*page:][:page])
		return fmt.Sprintf("pages 0, 1 and %d zeroed", n), damaged
	case 2:
		copy(damaged[n*page:][:page], h.content[m*page:])
		return fmt.Sprintf("page %d holds what page %d held", n, m), damaged
	case 3:
		at := h.random.IntN(len(damaged))
		damaged[at] ^= 1 << h.random.IntN(8)
		return fmt.Sprintf("a bit of byte %d flipped", at), damaged
	case 4:
		return fmt.Sprintf("cut off at page %d", n), damaged[:n*page]
	default:
		clear(damaged[:2*page])
		at := n*page + h.random.IntN(128)
		damaged[at] ^= byte(1 + h.random.IntN(255))
		return fmt.Sprintf("pages 0 and 1 zeroed, byte %d altered", at), damaged
	}
}

func ip(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
