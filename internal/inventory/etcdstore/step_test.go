package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// event is what a watch returns of a key at a revision; value is a record, a text, or nil
// for a key that was removed.
func event(t *testing.T, revision int64, key string, value any) *clientv3.Event {
	t.Helper()
	kv := &keyValue{Key: []byte(prefix + key), ModRevision: revision, CreateRevision: 1}
	e := &clientv3.Event{Type: clientv3.EventTypePut, Kv: kv}
	shapes := map[string]*shape{guestsKey: guestShape, restingKey: restingShape, sparesKey: spareShape}
	switch value := value.(type) {
	case nil:
		e.Type = clientv3.EventTypeDelete
	case string:
		kv.Value = []byte(value)
	default:
		kind, _, _ := strings.Cut(key, "/")
		text, err := encode(value, shapes[kind+"/"], nil, "b")
		if err != nil {
			t.Fatal(err)
		}
		kv.Value = []byte(text)
	}
	return e
}

// TestSteps: what a watch returns becomes a step for each revision, and the steps bring a
// mirror to what etcd has.
func TestSteps(t *testing.T) {
	var log strings.Builder
	s := &Store{prefix: prefix, writer: writersKey + "a", log: slog.New(slog.NewTextHandler(&log, nil))}
	steps := s.steps([]*clientv3.Event{
		event(t, 11, guestKey(uid(1)), planned(1, "renamed")),
		event(t, 11, guestKey(uid(2)), nil),
		event(t, 11, restKey(addr(2)), instance.Resting{Addr: addr(2), UUID: uid(2)}),
		event(t, 11, restKey(addr(3)), nil),
		event(t, 11, writersKey+"a", "x"),
		event(t, 11, writersKey+"b", "x"),
		event(t, 11, "claims/name/renamed", uid(1).String()),
		event(t, 13, spareKey(addr(4)), nil),
		event(t, 13, spareKey(addr(6)), instance.Spare{Addr: addr(6), Owner: "b"}),
		event(t, 13, guestKey(uid(7)), planned(8, "another")),
		event(t, 13, restKey(addr(7)), instance.Resting{Addr: addr(8)}),
		event(t, 13, spareKey(addr(8)), instance.Spare{Addr: addr(9)}),
		event(t, 13, guestKey(uid(8)), "junk"),
		event(t, 13, guestsKey+"junk", "{}"),
		event(t, 13, restingKey+"junk", nil),
		event(t, 13, writersKey+"a", nil),
		event(t, 13, writersKey+"b", "y"),
	})
	if len(steps) != 2 || steps[0].revision != 11 || steps[1].revision != 13 {
		t.Fatalf("%+v", steps)
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 6 {
		t.Errorf("%d records cannot be read, want 6:\n%s", n, &log)
	}
	changed := func(c instance.Change) string {
		var put, rest, hold []string
		for _, guest := range c.Put {
			put = append(put, guest.Name)
		}
		for _, r := range c.Rest {
			rest = append(rest, r.Addr.String())
		}
		for _, spare := range c.Hold {
			hold = append(hold, spare.Addr.String())
		}
		return fmt.Sprint(put, len(c.Delete) == 1 && c.Delete[0] == uid(2), rest, c.Wake, hold, c.Drop)
	}
	if got, want := changed(steps[0].change()), "[renamed] true [10.0.0.2] [10.0.0.3] [] []"; got != want {
		t.Errorf("the first change: %s, want %s", got, want)
	}
	if got, want := changed(steps[1].change()), "[] false [] [] [10.0.0.6] [10.0.0.4]"; got != want {
		t.Errorf("the second change: %s, want %s", got, want)
	}

	m := ofEtcd()
	m.fence = 12
	for _, step := range steps {
		m.apply(step)
	}
	if m.revision != 13 || m.fence != 12 || len(m.guests) != 1 || len(m.resting) != 1 || len(m.spares) != 2 {
		t.Fatalf("%+v", m)
	}
	if web := m.guests[uid(1)]; web.revision != 11 || web.by != "b" || web.record.Name != "renamed" {
		t.Errorf("%+v", web)
	}
	if m.resting[addr(2)].revision != 11 || m.resting[addr(2)].by != "b" || m.spares[addr(6)].revision != 13 {
		t.Errorf("%+v, %+v", m.resting, m.spares)
	}
	table := m.table()
	if len(table.Instances) != 1 || len(table.Resting) != 1 || len(table.Spares) != 2 {
		t.Errorf("%+v", table)
	}
	m.fence = 10
	m.apply(&step{revision: 14, fence: 14})
	if m.fence != 14 {
		t.Errorf("the fence is that of revision %d", m.fence)
	}
	m.apply(&step{revision: 20, whole: ofEtcd()})
	if len(m.guests) != 2 || m.revision != 9 {
		t.Errorf("the whole table: %+v", m)
	}
}

// TestWrote: who wrote a record is known after the guest was released, too. An address
// that the guest gave up earlier tells nothing of that.
func TestWrote(t *testing.T) {
	s := &Store{id: "a", mirror: newMirror("a")}
	for n, by := range map[int]string{30: "a", 31: "b"} {
		other := map[string]string{"a": "b", "b": "a"}[by]
		s.mirror.resting[addr(n)] = entry[instance.Resting]{revision: 5, record: &instance.Resting{Addr: addr(n), UUID: uid(n)}, by: by}
		s.mirror.resting[addr(n+10)] = entry[instance.Resting]{revision: 4, record: &instance.Resting{Addr: addr(n + 10), UUID: uid(n)}, by: other}
		s.mirror.resting[addr(n+20)] = entry[instance.Resting]{revision: 3, record: &instance.Resting{Addr: addr(n + 20), UUID: uid(n)}, by: other}
	}
	for n, by := range []string{"a", "b", ""} {
		guest := planned(n, "web")
		s.mirror.guests[uid(n)] = entry[instance.Instance]{record: &guest, by: by}
		s.mirror.resting[addr(10+n)] = entry[instance.Resting]{record: &instance.Resting{Addr: addr(10 + n), UUID: uid(10 + n)}, by: by}
	}
	for n, want := range map[int]bool{0: true, 1: false, 2: false, 10: true, 11: false, 12: false, 20: false, 30: true, 31: false} {
		if got := s.Wrote(uid(n)); got != want {
			t.Errorf("guest %d: %v", n, got)
		}
	}
}

func TestDifference(t *testing.T) {
	rests := func(n, of int) instance.Resting { return instance.Resting{Addr: addr(n), UUID: uid(of)} }
	from := instance.Table{Instances: []instance.Instance{planned(1, "same"), planned(2, "changes"), planned(3, "goes")}, Resting: []instance.Resting{rests(4, 4), rests(5, 5), rests(6, 6)}}
	to := instance.Table{Instances: []instance.Instance{planned(1, "same"), planned(2, "changed"), planned(7, "comes")}, Resting: []instance.Resting{rests(4, 4), rests(5, 9), rests(8, 8)}}
	c := difference(from, to)
	if len(c.Put) != 2 || c.Put[0].Name != "changed" || c.Put[1].Name != "comes" || !slices.Equal(c.Delete, []uuid.UUID{uid(3)}) ||
		!slices.Equal(c.Rest, []instance.Resting{rests(5, 9), rests(8, 8)}) || !slices.Equal(c.Wake, []netip.Addr{addr(6)}) {
		t.Errorf("%+v", c)
	}
	if c := difference(to, to); !c.Empty() {
		t.Errorf("%+v", c)
	}
}

// fickle is a cache that fails as told.
type fickle struct {
	*storetest.Memory
	fail   error
	unread error // what a load fails with
	loads  int
}

func (f *fickle) Load(ctx context.Context) (instance.Table, error) {
	f.loads++
	if f.unread != nil {
		return instance.Table{}, f.unread
	}
	return f.Memory.Load(ctx)
}

func (f *fickle) Apply(ctx context.Context, changes []instance.Change) error {
	if f.fail != nil {
		return f.fail
	}
	return f.Memory.Apply(ctx, changes)
}

// TestUnsaved: what a cache lacks is written in its order, until it was taken.
func TestUnsaved(t *testing.T) {
	cache := &fickle{Memory: storetest.NewMemory()}
	has := func(what, guests string, resting int) {
		t.Helper()
		table, err := cache.Memory.Load(t.Context())
		var names []string
		for _, guest := range table.Instances {
			names = append(names, guest.Name)
		}
		slices.Sort(names)
		if strings.Join(names, " ") != guests || len(table.Resting) != resting || err != nil {
			t.Errorf("%s: the cache has %v and %d addresses in quarantine, want %s and %d: %v", what, names, len(table.Resting), guests, resting, err)
		}
	}
	stepOf := func(change instance.Change) *step {
		s := newStep(1)
		for i := range change.Put {
			s.guests[change.Put[i].UUID] = &entry[instance.Instance]{record: &change.Put[i]}
		}
		for _, id := range change.Delete {
			s.guests[id] = nil
		}
		for i := range change.Rest {
			s.resting[change.Rest[i].Addr] = &entry[instance.Resting]{record: &change.Rest[i]}
		}
		return s
	}
	former := instance.Change{Put: []instance.Instance{planned(8, "former")}, Rest: []instance.Resting{{Addr: addr(9)}}}
	if err := cache.Apply(t.Context(), []instance.Change{former}); err != nil {
		t.Fatal(err)
	}
	var u unsaved
	saved := 0
	u.add(stepOf(instance.Change{Put: []instance.Instance{planned(1, "before")}}))
	u.replace(whole{table: instance.Table{Instances: []instance.Instance{planned(2, "web")}}, inventory: "id", saved: func() { saved++ }})
	u.add(stepOf(instance.Change{Put: []instance.Instance{planned(3, "db")}, Rest: []instance.Resting{{Addr: addr(4)}}}))
	cache.fail = errors.New("full")
	if err := u.save(t.Context(), cache); err != cache.fail || saved != 0 {
		t.Errorf("a full disk: %v", err)
	}
	has("full", "former", 1)
	u.add(stepOf(instance.Change{Delete: []uuid.UUID{uid(2)}}))
	cache.fail = nil
	if err := u.save(t.Context(), cache); err != nil || saved != 1 {
		t.Errorf("%v, saved %d times", err, saved)
	}
	has("saved", "db", 1)
	if id, _ := cache.Note(t.Context(), inventoryNote); id != "id" {
		t.Errorf("the inventory is %q", id)
	}

	u.add(stepOf(instance.Change{Put: []instance.Instance{planned(5, "new")}}))
	cache.fail = storage.ErrUncertain
	if err := u.save(t.Context(), cache); !errors.Is(err, storage.ErrUncertain) {
		t.Error(err)
	}
	cache.fail, cache.unread = nil, errors.New("unreadable")
	if err := u.save(t.Context(), cache); err != cache.unread {
		t.Errorf("a disk that cannot be read: %v", err)
	}
	has("unread", "db", 1)
	cache.unread = nil
	loads := cache.loads
	if err := u.save(t.Context(), cache); err != nil || cache.loads != loads+1 {
		t.Errorf("after a write that may have been made: %v, %d times loaded", err, cache.loads-loads)
	}
	has("after that", "db new", 1)
	loads = cache.loads
	if err := u.save(t.Context(), cache); err != nil || cache.loads != loads || saved != 1 {
		t.Errorf("nothing is unsaved: %v, %d times loaded, %d times saved", err, cache.loads-loads, saved)
	}
}

// TestSparesFollow: a host has the spare addresses that etcd has of it, except for those
// that it gives back.
func TestSparesFollow(t *testing.T) {
	p := spares{held: map[netip.Addr]instance.Spare{}, returned: map[netip.Addr]bool{}}
	stepOf := func(owners map[int]string) *step {
		s := newStep(1)
		for n, owner := range owners {
			if s.spares[addr(n)] = nil; owner != "" {
				s.spares[addr(n)] = &entry[instance.Spare]{record: &instance.Spare{Addr: addr(n), Owner: owner}}
			}
		}
		return s
	}
	has := func(what, want string) {
		t.Helper()
		var list []string
		for _, spare := range p.usable() {
			list = append(list, spare.Addr.String())
		}
		if got := strings.Join(list, " "); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	p.follow(stepOf(map[int]string{1: "a", 2: "a", 3: "b", 4: "a"}), "a")
	has("claimed", "10.0.0.1 10.0.0.2 10.0.0.4")
	p.returned[addr(1)], p.returned[addr(2)] = true, true
	has("given back", "10.0.0.4")
	p.follow(stepOf(map[int]string{1: "", 4: "b"}), "a")
	has("another host has one", "")
	p.follow(stepOf(map[int]string{1: "a", 4: "a"}), "a")
	has("claimed again", "10.0.0.1 10.0.0.4")
	whole := newMirror("a")
	whole.apply(stepOf(map[int]string{2: "a", 4: "a", 5: "a", 6: "b"}))
	p.follow(&step{whole: whole}, "a")
	has("all read again", "10.0.0.4 10.0.0.5")
	p.follow(stepOf(map[int]string{2: ""}), "a")
	p.follow(stepOf(map[int]string{2: "a"}), "a")
	has("the transaction was made, and it was claimed again", "10.0.0.2 10.0.0.4 10.0.0.5")
	p.returned[addr(5)] = true
	whole = newMirror("a")
	whole.apply(stepOf(map[int]string{2: "a", 4: "a"}))
	p.follow(&step{whole: whole}, "a")
	p.follow(stepOf(map[int]string{5: "a"}), "a")
	has("it was given back when all was read again, and claimed again", "10.0.0.2 10.0.0.4 10.0.0.5")
}

func TestNotesOfTheCache(t *testing.T) {
	for key, want := range map[string]bool{storage.SparesNote: true, storage.UnsharedNote + uid(1).String(): true, writerNote: false, inventoryNote: false, "etcd": false} {
		if storage.IsMomentary(key) != want {
			t.Errorf("%s: %v", key, !want)
		}
	}
	cache := storetest.NewMemory()
	first, err := ChooseHostID(t.Context(), cache, "first")
	again, errAgain := ChooseHostID(t.Context(), cache, "second")
	if first != "first" || again != "first" || err != nil || errAgain != nil {
		t.Errorf("%q, %q, %v, %v", first, again, err, errAgain)
	}
	notes, _ := cache.Notes(t.Context())
	if HostIDOf(notes) != "first" || InventoryOf(notes) != "" {
		t.Errorf("%v", notes)
	}
}
