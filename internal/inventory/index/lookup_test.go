package index

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

var (
	parse = netip.MustParseAddr
	begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// built is an index of guests that do not contradict each other.
func built(t *testing.T, table instance.Table) *Index {
	t.Helper()
	x, conflicts := Build(table, "mds")
	if len(conflicts) > 0 {
		t.Fatal(conflicts[0].Err)
	}
	return x
}

// names are those of guests, in the order of a list.
func names(guests ...*instance.Instance) string {
	var list []string
	for _, g := range guests {
		if g != nil {
			list = append(list, g.Name)
		}
	}
	return strings.Join(list, " ")
}

// Each name of a guest is a reference to it, unless two guests have the name.
func TestFind(t *testing.T) {
	web, db, odd := guest(1, "web"), guest(2, "db"), guest(3, "10.0.0.2")
	web.Hostname, web.ID, web.IPv6 = "www", "i-web", parse("fd00::1")
	odd.Hostname, odd.MAC = "odd", instance.MAC{0x52, 0x54, 0, 0, 0, 9}
	web.Further = []instance.Attachment{{Network: "lan", MAC: odd.MAC, IPv4: parse("10.1.0.1")}, {Network: "wan", MAC: web.MAC}}
	twin := guest(4, "twin")
	twin.MAC, twin.Network = odd.MAC, "wan"
	x := built(t, instance.Table{Instances: []instance.Instance{web, db, odd, twin}})
	for ref, want := range map[string]string{
		"web": "web", "i-web": "web", "WWW": "web", web.UUID.String(): "web", "10.0.0.1": "web", "fd00::1": "web", "10.1.0.1": "web", "::ffff:10.0.0.1": "web",
		web.MAC.String(): "web", "db": "db", "odd": "10.0.0.2", "10.0.0.3": "10.0.0.2", twin.ID: "twin",
	} {
		if got, err := x.Find(ref); err != nil || got.Name != want {
			t.Errorf("%s: %v, want %s", ref, err, want)
		}
	}
	for ref, want := range map[string]struct {
		kind error
		text string
	}{
		"10.0.0.2":            {denied.ErrAmbiguous, `can mean guest "10.0.0.2" (` + odd.ID + `) or guest "db" (` + db.ID + ")"},
		odd.MAC.String():      {denied.ErrAmbiguous, "use the instance-id"},
		"nobody":              {denied.ErrNotFound, `"nobody" is not the name`},
		"WEB":                 {denied.ErrNotFound, "mdserver instance ls"},
		"":                    {denied.ErrNotFound, ""},
		"10.9.9.9":            {denied.ErrNotFound, ""},
		uuid.UUID{1}.String(): {denied.ErrNotFound, ""},
		"52:54:00:00:00:77":   {denied.ErrNotFound, ""},
	} {
		if _, err := x.Find(ref); !errors.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%q: %v, want %v with %q", ref, err, want.kind, want.text)
		}
	}
}

// An edit finds what the index has, and what it has changed itself; the index stays as it is.
func TestLookups(t *testing.T) {
	web, db := guest(1, "web"), guest(2, "db")
	web.Further = []instance.Attachment{{Network: "lan", MAC: web.MAC, IPv4: parse("10.1.0.1")}}
	x := built(t, instance.Table{Instances: []instance.Instance{web, db}})
	e := x.Edit()
	lookup := map[string]func(*Edit) []*instance.Instance{
		"UUID":      func(e *Edit) []*instance.Instance { g, _ := e.ByUUID(web.UUID); return []*instance.Instance{g} },
		"name":      func(e *Edit) []*instance.Instance { g, _ := e.ByName("web"); return []*instance.Instance{g} },
		"host name": func(e *Edit) []*instance.Instance { g, _ := e.ByHostname("WEB"); return []*instance.Instance{g} },
		"ID":        func(e *Edit) []*instance.Instance { g, _ := e.ByID(web.ID); return []*instance.Instance{g} },
		"address":   func(e *Edit) []*instance.Instance { g, _ := e.ByAddr(web.IPv4); return []*instance.Instance{g} },
		"further": func(e *Edit) []*instance.Instance {
			g, _ := e.ByAddr(parse("10.1.0.1"))
			return []*instance.Instance{g}
		},
		"MAC": func(e *Edit) []*instance.Instance { return e.ByMAC(web.MAC) },
	}
	for what, find := range lookup {
		if got := names(find(e)...); got != "web" {
			t.Errorf("by %s: %q", what, got)
		}
	}
	old, _ := e.ByUUID(web.UUID)
	e.Replace(old, nil)
	for what, find := range lookup {
		if got := names(find(e)...); got != "" {
			t.Errorf("removed, by %s: %q", what, got)
		}
		if got := names(find(x.Edit())...); got != "web" {
			t.Errorf("in the index, by %s: %q", what, got)
		}
	}
	if got := names(slices.Collect(e.Guests())...); got != "db" {
		t.Errorf("the guests are %q", got)
	}
	for g := range x.Edit().Guests() {
		if g != nil {
			break // ends the iteration
		}
	}
	changed := web
	changed.Name, changed.Hostname, changed.ID, changed.MAC, changed.IPv4, changed.Further = "www", "www", "i-2", db.MAC, parse("10.0.0.9"), nil
	changed.Network = "lan"
	e = x.Edit()
	old, _ = e.ByUUID(web.UUID)
	e.Replace(old, &changed)
	for what, find := range lookup {
		want := ""
		if what == "UUID" {
			want = "www"
		}
		if got := names(find(e)...); got != want {
			t.Errorf("changed, by %s: %q, want %q", what, got, want)
		}
	}
	if got := e.ByMAC(db.MAC); len(got) != 2 {
		t.Errorf("one MAC address on two networks: %q", names(got...))
	}
	after := e.Commit()
	if got, _ := after.ByAddr(changed.IPv4); names(got) != "www" || after.Len() != 2 {
		t.Errorf("committed: %q, %d guests", names(got), after.Len())
	}
	if _, ok := after.ByAddr(netip.Addr{}); ok {
		t.Error("no address is a guest's")
	}
}

// The guests that make way for others are in order, after changes, too.
func TestGoneAndUnconfirmed(t *testing.T) {
	at := func(n int, name string, state instance.PresenceState, since time.Duration, tellers ...string) *instance.Instance {
		g := guest(n, name)
		g.Presence = instance.Presence{State: state, Since: begin.Add(since)}
		for _, teller := range tellers {
			if g.Seen == nil {
				g.Seen = map[string]time.Time{}
			}
			g.Seen[teller] = begin
		}
		return &g
	}
	a, b, c, d := at(1, "a", instance.Gone, 3*time.Hour), at(2, "b", instance.Gone, time.Hour), at(3, "c", instance.Gone, time.Hour+1), at(4, "d", instance.Present, 0)
	e := built(t, instance.Table{Instances: []instance.Instance{*a, *b, *c, *d}}).Edit()
	check := func(what, gone, unconfirmed string) {
		t.Helper()
		if got, others := names(slices.Collect(e.Gone())...), names(slices.Collect(e.Unconfirmed())...); got != gone || others != unconfirmed {
			t.Errorf("%s: %q are gone, want %q; %q are unconfirmed, want %q", what, got, gone, others, unconfirmed)
		}
	}
	check("at first", "b c a", "")
	back := at(2, "b", instance.Present, 4*time.Hour)
	e.Replace(b, back)
	check("the first one is back", "c a", "")
	e.Replace(c, nil)
	check("the next one is released", "a", "")
	away := at(4, "d", instance.Gone, -time.Hour)
	e.Replace(d, away)
	check("one is gone, and the clock was set back", "d a", "")
	e = e.Commit().Edit()
	early := at(5, "e", "", 0, instance.ByLocal)
	early.Presence = instance.Presence{}
	e.Replace(nil, early)
	check("one comes that users have registered", "d a", "e")
	e.Replace(early, at(5, "e", "", 0, instance.ByLocal, instance.ByHook))
	check("the hook confirms it", "d a", "")
	e.Replace(away, nil)
	e.Replace(a, nil)
	check("none makes way", "", "")
}

// Addresses in quarantine are found by address, by their former guest, the latest first, and
// by time, the earliest first.
func TestResting(t *testing.T) {
	first, second := uuid.UUID{1}, uuid.UUID{2}
	var table instance.Table
	for i, rest := range []struct {
		owner uuid.UUID
		since int
	}{{first, 1}, {second, 0}, {first, 3}, {first, 2}} {
		table.Resting = append(table.Resting, instance.Resting{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), UUID: rest.owner, Since: begin.Add(time.Duration(rest.since) * time.Hour)})
	}
	e := built(t, table).Edit()
	addrs := func(list []*instance.Resting) (all []byte) {
		for _, r := range list {
			all = append(all, r.Addr.As4()[3])
		}
		return all
	}
	expect := func(what string, got []*instance.Resting, want ...byte) {
		t.Helper()
		if !slices.Equal(addrs(got), want) {
			t.Errorf("%s: %v, want %v", what, addrs(got), want)
		}
	}
	expect("by time", slices.Collect(e.Resting()), 1, 0, 3, 2)
	expect("of the first guest", e.RestingOf(first), 2, 3, 0)
	expect("of the second guest", e.RestingOf(second), 1)
	expect("of another guest", e.RestingOf(uuid.UUID{3}))
	r, ok := e.RestingAt(parse("10.0.0.2"))
	if !ok {
		t.Fatal("an address does not rest")
	}
	e.RemoveResting(r)
	expect("by time, without one", slices.Collect(e.Resting()), 1, 0, 3)
	expect("of the first guest, without one", e.RestingOf(first), 3, 0)
	if _, ok := e.RestingAt(r.Addr); ok {
		t.Error("it still rests")
	}
	if _, occupied := e.Occupied(r.Addr); occupied {
		t.Error("it is still occupied")
	}
	x := e.Commit()
	if got := x.Resting(); len(got) != 3 || got[0].UUID != second {
		t.Errorf("in the index %v rest", got)
	}
	if got, ok := x.RestingAt(parse("10.0.0.1")); !ok || got.UUID != second {
		t.Errorf("in the index: %v, %v", got, ok)
	}
}

// An address is spare only if no guest has it and it is not in quarantine.
func TestSpares(t *testing.T) {
	x := built(t, instance.Table{
		Instances: []instance.Instance{guest(1, "web")},
		Resting:   []instance.Resting{{Addr: parse("10.0.0.2"), Since: begin}},
		Spares: []instance.Spare{{Addr: parse("10.0.0.4"), Owner: "a"}, {Addr: parse("10.0.0.1"), Owner: "a"}, {Addr: parse("10.0.0.2"), Owner: "a"},
			{Addr: parse("10.0.0.3"), Owner: "b"}, {Owner: "a"}},
	})
	want := []instance.Spare{{Addr: parse("10.0.0.3"), Owner: "b"}, {Addr: parse("10.0.0.4"), Owner: "a"}}
	if got := x.Spares(); !slices.Equal(got, want) {
		t.Errorf("spare are %v, want %v", got, want)
	}
	e := x.Edit()
	var seen []instance.Spare
	for spare := range e.Spares() {
		seen = append(seen, *spare)
	}
	if !slices.Equal(seen, want) {
		t.Errorf("an edit has %v, want %v", seen, want)
	}
	if spare, ok := e.SpareAt(want[1].Addr); !ok || *spare != want[1] {
		t.Errorf("%v, %v", spare, ok)
	}
	if spare, ok := x.SpareAt(want[0].Addr); !ok || *spare != want[0] {
		t.Errorf("%v, %v", spare, ok)
	}
	if e.RemoveSpare(parse("10.0.0.1")) || !e.RemoveSpare(parse("10.0.0.3")) || e.RemoveSpare(parse("10.0.0.3")) {
		t.Error("RemoveSpare does not report what was spare")
	}
	for addr, want := range map[string]bool{"10.0.0.1": true, "10.0.0.2": true, "10.0.0.3": false, "10.0.0.4": true} {
		if _, occupied := e.Occupied(parse(addr)); occupied != want {
			t.Errorf("%s is occupied: %v, want %v", addr, occupied, want)
		}
	}
	web, _ := e.ByName("web")
	given := *web
	given.IPv4 = parse("10.0.0.4")
	e.Replace(web, &given)
	e.RemoveSpare(given.IPv4)
	if _, occupied := e.Occupied(given.IPv4); !occupied {
		t.Error("an address that a guest got is free as soon as it is spare no more")
	}
}

// A guest that is set up is complete.
func TestAdmissible(t *testing.T) {
	for name, change := range map[string]func(*instance.Instance){
		"no name":          func(g *instance.Instance) { g.Name = "" },
		"no UUID":          func(g *instance.Instance) { g.UUID = uuid.Nil },
		"no instance-id":   func(g *instance.Instance) { g.ID = "" },
		"no host name":     func(g *instance.Instance) { g.Hostname = "" },
		"an odd host name": func(g *instance.Instance) { g.Hostname = "a b" },
	} {
		g := guest(1, "web")
		change(&g)
		if err := empty().Edit().Admissible(&g); !errors.Is(err, denied.ErrInvalid) || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("%s: %v", name, err)
		}
	}
	g := guest(1, "web")
	g.MAC, g.IPv4 = instance.MAC{}, netip.Addr{}
	other := guest(2, "db")
	other.MAC, other.IPv4 = instance.MAC{}, netip.Addr{}
	if x := built(t, instance.Table{Instances: []instance.Instance{g, other}}); x.Len() != 2 {
		t.Error("guests without MAC address and address contradict each other")
	}
}

// A record of the time with one network is on the primary one, and all others where they are.
func TestPrimary(t *testing.T) {
	old, web := guest(1, "old"), guest(2, "web")
	old.Network, web.Network = "", "lan"
	x := built(t, instance.Table{Instances: []instance.Instance{old, web}})
	for name, want := range map[string]string{"old": "mds", "web": "lan"} {
		if g, _ := x.ByName(name); g.Network != want {
			t.Errorf("%s is on %q", name, g.Network)
		}
	}
}

// A guest's address is not in quarantine, whatever a record says.
func TestHeldAddressesDoNotRest(t *testing.T) {
	web := guest(1, "web")
	rests := []instance.Resting{{Addr: web.IPv4, Since: begin}, {Since: begin}, {Addr: parse("10.0.0.9"), UUID: uuid.UUID{9}, Since: begin}}
	x := built(t, instance.Table{Instances: []instance.Instance{web}, Resting: rests})
	if got := x.Resting(); len(got) != 1 || got[0].Addr != rests[2].Addr {
		t.Errorf("loaded: %v", got)
	}
	later := rests[2]
	later.UUID, later.Since = uuid.UUID{8}, begin.Add(time.Hour)
	after, err := x.After(instance.Change{Rest: append(rests[:2:2], later)})
	if err != nil {
		t.Fatal(err)
	}
	if got := after.Resting(); len(got) != 1 || got[0] != later {
		t.Errorf("changed: %v, want %v alone", got, later)
	}
	if got := after.Edit().RestingOf(uuid.UUID{9}); len(got) > 0 {
		t.Errorf("of the former owner: %v", got)
	}
}

// An address that wakes because a guest has it stays occupied.
func TestWakeOfAHeldAddress(t *testing.T) {
	web := guest(1, "web")
	rests := instance.Resting{Addr: parse("10.0.0.9"), Since: begin}
	x := built(t, instance.Table{Instances: []instance.Instance{web}, Resting: []instance.Resting{rests}})
	moved := web
	moved.IPv4 = rests.Addr
	after, err := x.After(instance.Change{Put: []instance.Instance{moved}, Wake: []netip.Addr{rests.Addr, parse("10.0.0.77")}})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{"10.0.0.9": true, "10.0.0.1": false} {
		if _, occupied := after.Edit().Occupied(parse(addr)); occupied != want {
			t.Errorf("%s is occupied: %v", addr, occupied)
		}
	}
	e := x.Edit()
	old, _ := e.ByName("web")
	e.Replace(old, &moved)
	e.forgetResting(rests.Addr)
	if _, occupied := e.Occupied(rests.Addr); !occupied {
		t.Error("an address that a guest has is free when its quarantine ends")
	}
}

// Differences lists the guests that are gone before all others.
func TestDifferences(t *testing.T) {
	stays, changes, goes, comes := guest(1, "stays"), guest(2, "changes"), guest(3, "goes"), guest(4, "comes")
	from := built(t, instance.Table{Instances: []instance.Instance{stays, changes, goes}})
	changed := changes
	changed.Location = "there"
	to := built(t, instance.Table{Instances: []instance.Instance{stays, changed, comes}})
	got := map[string]string{}
	events := Differences(from, to)
	for _, e := range events {
		old, now := "", ""
		if e.Old != nil {
			old = e.Old.Name + e.Old.Location
		}
		if e.New != nil {
			now = e.New.Name + e.New.Location
		}
		got[old] = now
	}
	if want := map[string]string{"goes": "", "changes": "changesthere", "": "comes"}; len(events) != 3 || !reflect.DeepEqual(got, want) || events[0].New != nil {
		t.Errorf("%v, want %v", got, want)
	}
	if events := Differences(from, from); len(events) > 0 {
		t.Errorf("of one table: %v", events)
	}
}

// Times that are still to come are just before now, in their order; all others stay.
func TestPastOnly(t *testing.T) {
	var table instance.Table
	for _, after := range []time.Duration{2 * time.Hour, -time.Hour, 0, 4 * time.Hour} {
		table.Resting = append(table.Resting, instance.Resting{Since: begin.Add(after)})
	}
	for _, after := range []time.Duration{3 * time.Hour, -2 * time.Hour, 1} {
		table.Instances = append(table.Instances, instance.Instance{Presence: instance.Presence{Since: begin.Add(after)}})
	}
	PastOnly(&table, begin)
	var got []time.Duration
	for _, r := range table.Resting {
		got = append(got, r.Since.Sub(begin))
	}
	for _, g := range table.Instances {
		got = append(got, g.Presence.Since.Sub(begin))
	}
	if want := []time.Duration{-3 * time.Microsecond, -time.Hour, 0, -time.Microsecond, -2 * time.Microsecond, -2 * time.Hour, -4 * time.Microsecond}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// All guests come by name, and the iteration can end early.
func TestAll(t *testing.T) {
	x := built(t, instance.Table{Instances: []instance.Instance{guest(1, "c"), guest(2, "a"), guest(3, "b")}})
	if got := names(slices.Collect(x.All())...); got != "a b c" {
		t.Errorf("%q", got)
	}
	for g := range x.All() {
		if g.Name != "a" {
			t.Errorf("after the first, there is %q", g.Name)
		}
		break
	}
	if g, ok := x.ByHostname("A"); !ok || g.Name != "a" {
		t.Error("not found by host name")
	}
	if g, ok := x.ByID(instance.DeriveID(guest(3, "").UUID)); !ok || g.Name != "b" {
		t.Error("not found by instance-id")
	}
	if got := names(x.ByMAC(guest(1, "").MAC)...); got != "c" {
		t.Errorf("by MAC: %q", got)
	}
}
