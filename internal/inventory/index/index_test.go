package index

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

func guest(n int, name string) instance.Instance {
	id := uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n))
	return instance.Instance{ID: instance.DeriveID(id), UUID: id, Name: name, Hostname: name, Network: "mds",
		MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(n)}, IPv4: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})}
}

// Whatever is occupied and vacated, in whichever order, the runs know it.
func TestOccupied(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	bases := []netip.Addr{netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("fd00::")}
	e := empty().Edit()
	want := map[netip.Addr]bool{}
	for range 4000 {
		addr := bases[random.IntN(2)]
		for range random.IntN(24) {
			addr = addr.Next()
		}
		if want[addr] = random.IntN(2) == 0; want[addr] {
			e.Occupy(addr)
		} else {
			e.Vacate(addr)
		}
		for _, addr := range bases {
			for range 25 {
				last, ok := e.Occupied(addr)
				if ok != want[addr] || ok && (want[last.Next()] || last.Less(addr)) {
					t.Fatalf("%s: occupied %v up to %s, want %v", addr, ok, last, want[addr])
				}
				addr = addr.Next()
			}
		}
	}
}

// An index after a change is the same as one that is built of the changed table.
func TestAfter(t *testing.T) {
	web, db, old := guest(1, "web"), guest(2, "db"), guest(3, "old")
	since := time.Unix(1e9, 0).UTC()
	before, conflicts := Build(instance.Table{
		Instances: []instance.Instance{web, db, old},
		Resting:   []instance.Resting{{Addr: netip.MustParseAddr("10.0.0.9"), Since: since}},
		Spares:    []instance.Spare{{Addr: netip.MustParseAddr("10.0.0.10"), Owner: "a"}},
	}, "")
	if len(conflicts) > 0 {
		t.Fatal(conflicts[0].Err)
	}
	unchanged := before.Table()
	web.Name, web.Hostname, db.Name, db.Hostname = "db", "db", "web", "web" // they exchange names
	web.IPv4 = netip.MustParseAddr("10.0.0.10")
	after, err := before.After(instance.Change{
		Delete: []uuid.UUID{old.UUID},
		Put:    []instance.Instance{web, db},
		Rest:   []instance.Resting{{Addr: old.IPv4, UUID: old.UUID, Since: since}},
		Wake:   []netip.Addr{netip.MustParseAddr("10.0.0.9")},
		Drop:   []netip.Addr{netip.MustParseAddr("10.0.0.10")},
		Hold:   []instance.Spare{{Addr: netip.MustParseAddr("10.0.0.11"), Owner: "a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	built, _ := Build(after.Table(), "")
	want := instance.Table{
		Instances: []instance.Instance{web, db},
		Resting:   []instance.Resting{{Addr: old.IPv4, UUID: old.UUID, Since: since}},
		Spares:    []instance.Spare{{Addr: netip.MustParseAddr("10.0.0.11"), Owner: "a"}},
	}
	if got := after.Table(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for i := range 16 {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		_, occupied := after.Edit().Occupied(addr)
		_, again := built.Edit().Occupied(addr)
		if want := slices.Contains([]int{2, 3, 10, 11}, i); occupied != want || again != want {
			t.Errorf("%s: occupied %v and %v, want %v", addr, occupied, again, want)
		}
	}
	if got := before.Table(); !reflect.DeepEqual(got, unchanged) {
		t.Errorf("the index before is now %+v", got)
	}
}

// Of two records that claim the same thing, the second one is left out.
func TestContradictions(t *testing.T) {
	for kind, change := range map[error]func(second *instance.Instance, first instance.Instance){
		denied.ErrUUIDTaken:     func(s *instance.Instance, f instance.Instance) { s.UUID = f.UUID },
		denied.ErrNameTaken:     func(s *instance.Instance, f instance.Instance) { s.Name = f.Name },
		denied.ErrHostnameTaken: func(s *instance.Instance, f instance.Instance) { s.Hostname = "WEB" },
		denied.ErrIDTaken:       func(s *instance.Instance, f instance.Instance) { s.ID = f.ID },
		denied.ErrMACInUse:      func(s *instance.Instance, f instance.Instance) { s.MAC = f.MAC },
		denied.ErrAddressTaken:  func(s *instance.Instance, f instance.Instance) { s.IPv4 = f.IPv4 },
		denied.ErrInvalid:       func(s *instance.Instance, f instance.Instance) { s.ID = "" },
	} {
		first, second := guest(1, "web"), guest(2, "db")
		change(&second, first)
		x, conflicts := Build(instance.Table{Instances: []instance.Instance{first, second}}, "")
		if x.Len() != 1 || len(conflicts) != 1 || !errors.Is(conflicts[0].Err, kind) || (conflicts[0].Holder == nil) != (kind == denied.ErrInvalid) {
			t.Errorf("%v: %d guests, %v", kind, x.Len(), conflicts)
		}
		empty, _ := Build(instance.Table{Instances: []instance.Instance{first}}, "")
		after, err := empty.After(instance.Change{Put: []instance.Instance{second}})
		if replaces := kind == denied.ErrUUIDTaken; (err == nil) != replaces || after.Len() != 1 {
			t.Errorf("%v: put later: %d guests, %v", kind, after.Len(), err)
		}
	}
}
