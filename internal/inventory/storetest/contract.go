package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// Opener opens one store again and again. One Store or Reader is open at a time.
type Opener struct {
	Open func() storage.Store  // the store is empty the first time
	Read func() storage.Reader // for reading only, without a server
}

// Run tests that a store keeps the contract of storage.Store, and its Reader
// that of storage.Reader. Each of its tests has a fresh store.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	for _, tt := range contract {
		t.Run(tt.name, func(t *testing.T) {
			opener := fresh(t)
			tt.test(&session{t: t, opener: opener, store: opener.Open()})
		})
	}
}

var contract = []struct {
	name string
	test func(*session)
}{
	{"a new store is empty", func(s *session) {
		s.expect(instance.Table{})
	}},
	{"nothing to apply", func(s *session) {
		s.apply()
		s.apply(instance.Change{})
		s.expect(instance.Table{})
	}},
	{"a record keeps all its fields", func(s *session) {
		s.apply(instance.Change{Put: []instance.Instance{full(1)}, Rest: []instance.Resting{rest(1), rest6(2)}})
		s.expect(instance.Table{Instances: []instance.Instance{full(1)}, Resting: []instance.Resting{rest(1), rest6(2)}})
	}},
	{"a record without what is optional", func(s *session) {
		bare := instance.Instance{ID: "i-1", Name: "bare", Hostname: "bare", UUID: uid(1)}
		s.apply(instance.Change{Put: []instance.Instance{bare}})
		s.expect(instance.Table{Instances: []instance.Instance{bare}})
	}},
	{"a put replaces", func(s *session) {
		renamed := full(1)
		renamed.Name, renamed.Metadata = "renamed", instance.Metadata{}
		s.apply(instance.Change{Put: []instance.Instance{full(1), full(2)}})
		s.apply(instance.Change{Put: []instance.Instance{renamed}})
		s.expect(instance.Table{Instances: []instance.Instance{renamed, full(2)}})
	}},
	{"deletions and wakings", func(s *session) {
		s.apply(instance.Change{Put: []instance.Instance{full(1), full(2)}, Rest: []instance.Resting{rest(3), rest6(4)}})
		s.apply(instance.Change{Delete: []uuid.UUID{uid(1)}, Wake: []netip.Addr{rest(3).Addr}})
		s.expect(instance.Table{Instances: []instance.Instance{full(2)}, Resting: []instance.Resting{rest6(4)}})
	}},
	{"deleting what is not there", func(s *session) {
		s.apply(instance.Change{Delete: []uuid.UUID{uid(1)}, Wake: []netip.Addr{rest(3).Addr}})
		s.expect(instance.Table{})
	}},
	{"within a change the old goes first", func(s *session) {
		s.apply(instance.Change{Put: []instance.Instance{full(1)}, Rest: []instance.Resting{rest(1)}})
		s.apply(instance.Change{
			Delete: []uuid.UUID{uid(1)}, Put: []instance.Instance{full(1)},
			Wake: []netip.Addr{rest(1).Addr}, Rest: []instance.Resting{rest(1)},
		})
		s.expect(instance.Table{Instances: []instance.Instance{full(1)}, Resting: []instance.Resting{rest(1)}})
	}},
	{"changes in their order", func(s *session) {
		s.apply(
			instance.Change{Put: []instance.Instance{full(1)}, Rest: []instance.Resting{rest(1)}},
			instance.Change{Delete: []uuid.UUID{uid(1)}, Wake: []netip.Addr{rest(1).Addr}},
			instance.Change{Put: []instance.Instance{full(2)}},
		)
		s.expect(instance.Table{Instances: []instance.Instance{full(2)}})
	}},
	{"an ended context changes nothing", func(s *session) {
		ctx, cancel := context.WithCancel(s.t.Context())
		cancel()
		if err := s.store.Apply(ctx, []instance.Change{{Put: []instance.Instance{full(1)}}}); !errors.Is(err, context.Canceled) {
			s.t.Errorf("Apply: %v, want %v", err, context.Canceled)
		}
		s.expect(instance.Table{})
	}},
	{"guests set aside are not in the table", func(s *session) {
		s.apply(instance.Change{Put: []instance.Instance{full(1), full(2)}, Rest: []instance.Resting{rest(3)}})
		if err := s.store.SetAside(s.t.Context(), []instance.Instance{full(1)}, []error{errors.New("it contradicts another")}); err != nil {
			s.t.Fatalf("SetAside: %v", err)
		}
		s.expect(instance.Table{Instances: []instance.Instance{full(2)}, Resting: []instance.Resting{rest(3)}})
	}},
	{"a new store has no notes", func(s *session) {
		s.expectNotes(map[string]string{})
	}},
	{"notes keep any text", func(s *session) {
		notes := map[string]string{"key": "secret", "a/b": "{\"a\":\n\x00}", "Größe \t": "🐧", "long": strings.Repeat("x", 1<<20)}
		for key, text := range notes {
			s.note(key, text)
		}
		s.expectNotes(notes)
	}},
	{"a note replaces the former one", func(s *session) {
		s.note("a", "former")
		s.note("b", "other")
		s.note("a", "latter")
		s.expectNotes(map[string]string{"a": "latter", "b": "other"})
	}},
	{"an empty text removes a note", func(s *session) {
		s.note("a", "text")
		s.note("a", "")
		s.note("never there", "")
		s.expectNotes(map[string]string{})
	}},
	{"a note needs a key", func(s *session) {
		if err := s.store.SetNote(s.t.Context(), "", "text"); err == nil {
			s.t.Error("SetNote accepts an empty key")
		}
		s.expectNotes(map[string]string{})
	}},
	{"notes and guests are apart", func(s *session) {
		id := uid(1)
		s.apply(instance.Change{Put: []instance.Instance{full(1)}})
		s.note(string(id[:]), "a note with a guest's UUID as its key")
		s.apply(instance.Change{Delete: []uuid.UUID{id}})
		s.expectNotes(map[string]string{string(id[:]): "a note with a guest's UUID as its key"})
	}},
	{"an ended context leaves the notes", func(s *session) {
		s.note("a", "text")
		ctx, cancel := context.WithCancel(s.t.Context())
		cancel()
		_, noteErr := s.store.Note(ctx, "a")
		_, notesErr := s.store.Notes(ctx)
		for call, err := range map[string]error{"SetNote": s.store.SetNote(ctx, "a", "other"), "Note": noteErr, "Notes": notesErr} {
			if !errors.Is(err, context.Canceled) {
				s.t.Errorf("%s: %v, want %v", call, err, context.Canceled)
			}
		}
		s.expectNotes(map[string]string{"a": "text"})
	}},
	{"notes from several goroutines while guests are written", func(s *session) {
		want := map[string]string{}
		var running sync.WaitGroup
		for i := range 8 {
			key := fmt.Sprint("key ", i)
			want[key] = "text"
			running.Go(func() {
				if err := s.store.SetNote(s.t.Context(), key, "text"); err != nil {
					s.t.Errorf("SetNote: %v", err)
				}
				if text, err := s.store.Note(s.t.Context(), key); err != nil || text != "text" {
					s.t.Errorf("Note: %q, %v", text, err)
				}
			})
			s.apply(instance.Change{Put: []instance.Instance{full(i)}})
		}
		running.Wait()
		s.expectNotes(want)
	}},
	{"many guests in one step", func(s *session) {
		var table instance.Table
		for i := range 2000 {
			table.Instances = append(table.Instances, full(i+1))
		}
		s.apply(instance.Change{Put: table.Instances})
		s.expect(table)
	}},
}

// session is one test's use of a store.
type session struct {
	t      *testing.T
	opener Opener
	store  storage.Store
}

func (s *session) apply(changes ...instance.Change) {
	s.t.Helper()
	if err := s.store.Apply(s.t.Context(), changes); err != nil {
		s.t.Fatalf("Apply: %v", err)
	}
}

func (s *session) note(key, text string) {
	s.t.Helper()
	if err := s.store.SetNote(s.t.Context(), key, text); err != nil {
		s.t.Fatalf("SetNote: %v", err)
	}
}

// expect compares the table, see each.
func (s *session) expect(want instance.Table) {
	s.t.Helper()
	s.each(func(when string, r storage.Reader) {
		s.t.Helper()
		got, err := r.Load(s.t.Context())
		if err != nil {
			s.t.Fatalf("%s: Load: %v", when, err)
		}
		if diff := Diff(want, got); diff != "" {
			s.t.Fatalf("%s (-want +got):\n%s", when, diff)
		}
	})
}

// expectNotes compares all notes, see each.
func (s *session) expectNotes(want map[string]string) {
	s.t.Helper()
	s.each(func(when string, r storage.Reader) {
		s.t.Helper()
		got, err := r.Notes(s.t.Context())
		if err != nil {
			s.t.Fatalf("%s: Notes: %v", when, err)
		}
		if !maps.Equal(got, want) {
			s.t.Fatalf("%s: the notes are %q, want %q", when, got, want)
		}
		for _, key := range append(slices.Collect(maps.Keys(want)), "not there") {
			if text, err := r.Note(s.t.Context(), key); err != nil || text != want[key] {
				s.t.Fatalf("%s: the note %q is %q, %v, want %q", when, key, text, err, want[key])
			}
		}
	})
}

// each looks at the store at once, opened again, and opened for reading only. It
// closes the store.
func (s *session) each(look func(when string, r storage.Reader)) {
	s.t.Helper()
	for _, step := range []struct {
		when string
		next func() storage.Reader
	}{
		{"before Close", func() storage.Reader { return s.store }},
		{"opened again", func() storage.Reader { return s.opener.Open() }},
		{"opened for reading", s.opener.Read},
	} {
		r := step.next()
		look(step.when, r)
		if err := r.Close(); err != nil {
			s.t.Fatalf("%s: Close: %v", step.when, err)
		}
	}
}

// Diff reports how two tables differ, regardless of the order of their records. Of many
// records that differ it shows some.
func Diff(want, got instance.Table) string {
	return diffBy(want.Instances, got.Instances, func(g instance.Instance) uuid.UUID { return g.UUID }) +
		diffBy(want.Resting, got.Resting, func(r instance.Resting) netip.Addr { return r.Addr }) +
		diffBy(want.Spares, got.Spares, func(s instance.Spare) netip.Addr { return s.Addr })
}

// mostShown is how many records Diff shows: package cmp takes seconds for hundreds.
const mostShown = 5

func diffBy[R any, K comparable](want, got []R, key func(R) K) (text string) {
	wanted, there := byKey(want, key), byKey(got, key)
	shown := 0
	for _, record := range slices.Concat(want, got) {
		k := key(record)
		if a, b := wanted[k], there[k]; shown < mostShown && !reflect.DeepEqual(a, b) {
			diff := cmp.Diff(a, b, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
			if text += diff; diff != "" {
				shown++
			}
		}
		delete(wanted, k)
		delete(there, k)
	}
	return text
}

// byKey has all records with a key, since a store may have one twice by mistake.
func byKey[R any, K comparable](records []R, key func(R) K) map[K][]R {
	all := map[K][]R{}
	for _, record := range records {
		all[key(record)] = append(all[key(record)], record)
	}
	return all
}

func uid(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)) }

func addr4(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

func addr6(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 14: byte(n >> 8), 15: byte(n)})
}

// full gives a record in which every field is set.
func full(n int) instance.Instance {
	mac := instance.MAC{0x52, 0x54, 0, 0, byte(n >> 8), byte(n)}
	return instance.Instance{
		ID: fmt.Sprintf("i-%d", n), Name: fmt.Sprintf("Größe, %d\t\"🐧\"", n), Hostname: fmt.Sprintf("guest-%d", n),
		UUID: uid(n), Location: "here", MAC: mac,
		Metadata:   instance.Metadata{Values: map[string]string{"ipv4": "<&>", "": "\x01"}, Tags: map[string]string{"env": "prod"}},
		Interfaces: []instance.Interface{{MAC: mac, Network: "mds", MTU: 9000}, {MAC: instance.MAC{2}}},
		Disks:      []instance.Disk{{Target: "vda", Bus: "virtio", Device: "disk", Serial: "root"}, {Target: "sda", Device: "cdrom"}},
		IPv4:       addr4(n), IPv6: addr6(n), Hardware: instance.Hardware{VCPUs: 4, Memory: 1 << 40, Arch: "x86_64"},
		FirstSeen:  time.Date(2020, 7, 12, 9, 18, 58, 672943123, time.UTC),
		LastUpdate: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func rest(n int) instance.Resting {
	return instance.Resting{Addr: addr4(n), UUID: uid(n), InstanceID: "i-x", Since: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
}

func rest6(n int) instance.Resting {
	r := rest(n)
	r.Addr = addr6(n)
	return r
}
