package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// Run tests that a store keeps the contract of inventory.Store. For each of
// its tests it calls fresh once, which gives a function that opens the test's
// store, empty the first time and with what was written later on.
func Run(t *testing.T, fresh func(t *testing.T) (open func() inventory.Store)) {
	for _, tt := range contract {
		t.Run(tt.name, func(t *testing.T) {
			open := fresh(t)
			tt.test(&session{t: t, open: open, store: open()})
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
	t     *testing.T
	open  func() inventory.Store
	store inventory.Store
}

func (s *session) apply(changes ...instance.Change) {
	s.t.Helper()
	if err := s.store.Apply(s.t.Context(), changes); err != nil {
		s.t.Fatalf("Apply: %v", err)
	}
}

// expect compares the table at once and after closing and opening again, and
// closes the store.
func (s *session) expect(want instance.Table) {
	s.t.Helper()
	s.compare("before Close", want)
	if err := s.store.Close(); err != nil {
		s.t.Fatalf("Close: %v", err)
	}
	s.store = s.open()
	s.compare("opened again", want)
	if err := s.store.Close(); err != nil {
		s.t.Fatalf("Close: %v", err)
	}
}

func (s *session) compare(when string, want instance.Table) {
	s.t.Helper()
	got, err := s.store.Load(s.t.Context())
	if err != nil {
		s.t.Fatalf("%s: Load: %v", when, err)
	}
	if diff := Diff(want, got); diff != "" {
		s.t.Fatalf("%s (-want +got):\n%s", when, diff)
	}
}

// Diff tells how two tables differ, whatever the order of their records.
func Diff(want, got instance.Table) string {
	return cmp.Diff(sorted(want), sorted(got), cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
}

func sorted(table instance.Table) instance.Table {
	instances, resting := slices.Clone(table.Instances), slices.Clone(table.Resting)
	slices.SortFunc(instances, func(a, b instance.Instance) int { return strings.Compare(a.UUID.String(), b.UUID.String()) })
	slices.SortFunc(resting, func(a, b instance.Resting) int { return a.Addr.Compare(b.Addr) })
	return instance.Table{Instances: instances, Resting: resting}
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
