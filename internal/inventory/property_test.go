package inventory_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/inventory/storetest"
)

// model is what the inventory should hold, kept in the plainest way.
type model struct {
	names map[uuid.UUID]string
	macs  map[uuid.UUID]instance.MAC
	addrs map[uuid.UUID]netip.Addr
	// Of the guest's second interface on the network, which it may not have.
	second map[uuid.UUID]instance.Attachment
	ids    map[uuid.UUID]string
}

func (m *model) named(name string) (uuid.UUID, bool) {
	for id, other := range m.names {
		if other == name {
			return id, true
		}
	}
	return uuid.Nil, false
}

func (m *model) remove(id uuid.UUID) {
	delete(m.names, id)
	delete(m.macs, id)
	delete(m.addrs, id)
	delete(m.second, id)
	delete(m.ids, id)
}

// macTaken reports whether a guest that is not being replaced has the address.
func (m *model) macTaken(mac instance.MAC, id, replaced uuid.UUID) bool {
	for other, held := range m.macs {
		if (held == mac || m.second[other].MAC == mac) && other != id && other != replaced {
			return true
		}
	}
	return false
}

// run is one random run: the inventory, what it should hold, and the dice.
type run struct {
	*testing.T
	*rand.Rand
	*model
	inv    *inventory.Inventory
	memory *storetest.Memory
	clock  *inventorytest.Clock
	opts   inventory.Options
}

// TestAnySequence registers, renames, takes over, releases, waits and reopens
// in random order on a network that is too small for all. A failure repeats
// under the seed that the subtest is called by.
func TestAnySequence(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := newRun(t, seed)
			for range 120 {
				r.step()
				r.check()
			}
			if err := r.inv.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func newRun(t *testing.T, seed uint64) *run {
	at := inventorytest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	r := &run{T: t, Rand: rand.New(rand.NewPCG(seed, seed)), memory: storetest.NewMemory(), clock: at,
		model: &model{map[uuid.UUID]string{}, map[uuid.UUID]instance.MAC{}, map[uuid.UUID]netip.Addr{},
			map[uuid.UUID]instance.Attachment{}, map[uuid.UUID]string{}},
		opts: inventory.Options{
			Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/29"),
				IPv6: netip.MustParsePrefix("fd00::/64"), Excluded: []instance.AddrRange{addrs("10.0.0.3", "10.0.0.3")}}},
			Quarantine: time.Hour, Now: at.Now,
		}}
	r.open()
	return r
}

func (r *run) open() {
	inv, err := inventory.Open(background(), r.memory, r.opts)
	if err != nil {
		r.Fatal(err)
	}
	r.inv = inv
}

func (r *run) step() {
	switch r.IntN(10) {
	case 0, 1, 2, 3, 4, 5:
		r.register()
	case 6, 7:
		r.release()
	case 8:
		r.clock.Advance(20 * time.Minute)
	default:
		if err := r.inv.Close(); err != nil {
			r.Fatal(err)
		}
		r.open()
	}
}

func (r *run) register() {
	m, inv := r.model, r.inv
	n := r.IntN(10)
	names := []string{"a", "A", "a b", "a-b", "b", "..", "é", "日本"}
	name := names[r.IntN(len(names))]
	d := dom(n, name)
	d.Interfaces[1].MAC = mac(r.IntN(12))
	second := instance.MAC{}
	if r.IntN(2) == 0 {
		second = mac(100 + r.IntN(6))
		d.Interfaces = append(d.Interfaces, instance.Interface{MAC: second, Network: "mds"})
	}
	replaced, taken := m.named(name)
	if replaced == d.UUID || !taken {
		replaced = uuid.Nil
	}
	reg, err := inv.Register(background(), d)
	if m.macTaken(d.Interfaces[1].MAC, d.UUID, replaced) || !second.IsZero() && m.macTaken(second, d.UUID, replaced) {
		if !errors.Is(err, denied.ErrMACInUse) {
			r.Fatalf("MAC in use: %v", err)
		}
		return
	}
	if err != nil {
		r.Fatal(err)
	}
	if (reg.Replaced != nil) != (replaced != uuid.Nil) || reg.Created == (m.names[d.UUID] != "") {
		r.Fatalf("%+v", reg)
	}
	if before := m.addrs[d.UUID]; before.IsValid() && reg.Instance.IPv4 != before {
		r.Fatalf("address %v became %v", before, reg.Instance.IPv4)
	}
	if inherited := m.addrs[replaced]; reg.Created && inherited.IsValid() && !m.mayReturn(inv, d.UUID) && reg.Instance.IPv4 != inherited {
		r.Fatalf("took over %v instead of %v", reg.Instance.IPv4, inherited)
	}
	if before, ok := m.ids[d.UUID]; ok && before != reg.Instance.ID {
		r.Fatalf("instance-id %s became %s", before, reg.Instance.ID)
	}
	r.keptSecond(reg.Instance, second)
	m.remove(replaced)
	m.names[d.UUID], m.macs[d.UUID], m.ids[d.UUID], m.addrs[d.UUID] = name, d.Interfaces[1].MAC, reg.Instance.ID, reg.Instance.IPv4
}

// keptSecond checks the guest's place by its second interface, and keeps it in the
// model: there is none without such an interface, and its address stays.
func (r *run) keptSecond(guest instance.Instance, mac instance.MAC) {
	places := guest.AllOn("mds")[1:]
	before := r.second[guest.UUID]
	delete(r.second, guest.UUID)
	if mac.IsZero() && len(places) == 0 {
		return
	}
	if len(places) != 1 || places[0].MAC != mac || !places[0].IPv6.IsValid() {
		r.Fatalf("second interface %v has %+v", mac, places)
	}
	if before.IPv4.IsValid() && places[0].IPv4 != before.IPv4 {
		r.Fatalf("the second interface's address %v became %v", before.IPv4, places[0].IPv4)
	}
	r.second[guest.UUID] = places[0]
}

// mayReturn reports whether a new guest can have come back to an address of
// its own.
func (m *model) mayReturn(inv *inventory.Inventory, id uuid.UUID) bool {
	guest, ok := inv.Snapshot().ByUUID(id)
	return ok && !slices.Contains(slices.Collect(maps.Values(m.addrs)), guest.IPv4)
}

func (r *run) release() {
	m, inv := r.model, r.inv
	id := uid(r.IntN(10))
	_, known := m.names[id]
	_, err := inv.Release(background(), id.String())
	if known && err != nil || !known && !errors.Is(err, denied.ErrNotFound) {
		r.Fatalf("release, known %v: %v", known, err)
	}
	m.remove(id)
}

// check tests what must hold after every step.
func (r *run) check() {
	m, s := r.model, r.inv.Snapshot()
	if s.Len() != len(m.names) {
		r.Fatalf("%d guests, want %d", s.Len(), len(m.names))
	}
	seen := map[string]string{}
	once := func(what, value, name string) {
		if other, ok := seen[what+value]; ok {
			r.Fatalf("%s %s of both %q and %q", what, value, other, name)
		}
		seen[what+value] = name
	}
	var table instance.Table
	free := map[netip.Addr]bool{}
	for _, text := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"} {
		free[netip.MustParseAddr(text)] = true
	}
	for guest := range s.All() {
		if m.names[guest.UUID] != guest.Name || m.macs[guest.UUID] != guest.MAC || m.addrs[guest.UUID] != guest.IPv4 {
			r.Fatalf("guest %+v, want name %q, MAC %v, address %v", guest, m.names[guest.UUID], m.macs[guest.UUID], m.addrs[guest.UUID])
		}
		if !instance.ValidHostname(guest.Hostname) {
			r.Fatalf("host name %q", guest.Hostname)
		}
		once("name", guest.Name, guest.Name)
		once("hostname", strings.ToLower(guest.Hostname), guest.Name)
		once("id", guest.ID, guest.Name)
		for i, place := range guest.Attachments() {
			once("MAC", place.MAC.String(), guest.Name)
			once("address", place.IPv6.String(), guest.Name)
			if place.IPv4.IsValid() {
				once("address", place.IPv4.String(), guest.Name)
				if !free[place.IPv4] {
					r.Fatalf("%v was given away and cannot be", place.IPv4)
				}
			}
			if i > 0 && m.second[guest.UUID] != place {
				r.Fatalf("guest %+v, want the second place %+v", guest, m.second[guest.UUID])
			}
		}
		if second := m.second[guest.UUID]; !second.MAC.IsZero() && len(guest.Further) != 1 {
			r.Fatalf("guest %+v lacks its second place %+v", guest, second)
		}
		table.Instances = append(table.Instances, *guest)
	}
	for _, resting := range s.Resting() {
		once("address", resting.Addr.String(), fmt.Sprint("at rest, of ", resting.UUID))
	}
	table.Resting = s.Resting()
	durable, err := r.memory.Load(background())
	if err != nil {
		r.Fatal(err)
	}
	if diff := storetest.Diff(table, durable); diff != "" {
		r.Fatalf("(-snapshot +store):\n%s", diff)
	}
}
