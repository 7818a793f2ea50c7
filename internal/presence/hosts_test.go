package presence

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/libvirt/watch"
)

// fellow is this host, a, in an inventory that it shares with the host b.
type fellow struct {
	*Reconciler
	t       *testing.T
	log     *strings.Builder
	bIsDead bool
}

// onHostA runs a test on the host a. It knows g1 to g3, which run on the host b, g5, which is
// about to start there, and g6, which runs here and is on its way there.
func onHostA(t *testing.T, test func(t *testing.T, f *fellow)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewMemory()
		open := func(host string, alive func(string) bool) *inventory.Inventory {
			inv, err := inventory.Open(t.Context(), store, inventory.Options{Networks: networks, Now: time.Now, HostID: host, HostName: host + ".example", Alive: alive})
			if err != nil {
				t.Fatal(err)
			}
			return inv
		}
		runs := func(inv *inventory.Inventory, numbers ...int) {
			for _, n := range numbers {
				if _, err := inv.Observe(t.Context(), domain(n, fmt.Sprint("g", n), "mds").Domain, true); err != nil {
					t.Fatal(err)
				}
			}
		}
		hooked := func(inv *inventory.Inventory, n int, received bool) {
			dom := domain(n, fmt.Sprint("g", n), "mds").Domain
			dom.Source, dom.Received = instance.ByHook, received
			if _, err := inv.Register(t.Context(), dom); err != nil {
				t.Fatal(err)
			}
		}
		a := open("a", nil)
		runs(a, 6)
		a.Close()
		b := open("b", func(string) bool { return true })
		runs(b, 1, 2, 3)
		hooked(b, 5, false)
		hooked(b, 6, true)
		b.Close()
		f := &fellow{t: t, log: &strings.Builder{}}
		a = open("a", func(string) bool { return !f.bIsDead })
		defer a.Close()
		f.Reconciler = New(a, func(context.Context) {}, time.Hour, slog.New(slog.NewTextHandler(f.log, nil)))
		test(t, f)
	})
}

// sees reports a domain of this host's libvirt, as "running", "defined" or "moving".
func (f *fellow) sees(n int, state string) {
	f.t.Helper()
	d := domain(n, fmt.Sprint("g", n), "mds")
	d.Running, d.Moving = state != defined, state == moving
	if err := f.Seen(f.t.Context(), d); err != nil {
		f.t.Fatal(err)
	}
}

// home is the host that has a guest, and the guest's state there.
func (f *fellow) home(n int) string {
	guest, _ := f.inventory.Snapshot().ByUUID(id(n))
	return strings.TrimSpace(guest.HostID + " " + string(guest.Run))
}

// names are those of guests, in the order of a list.
func names(ids []uuid.UUID) string {
	var list []string
	for n := range 10 {
		if slices.Contains(ids, id(n)) {
			list = append(list, fmt.Sprint("g", n))
		}
	}
	return strings.Join(list, " ")
}

// A guest that arrives from another host belongs to that host until it runs here. A
// definition takes nothing from a host that runs the guest.
func TestArrival(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		for _, step := range []struct {
			state  string
			bDies  bool
			expect string
		}{{moving, false, "b running"}, {defined, false, "b running"}, {moving, true, "b running"}, {defined, true, "b running"}, {running, true, "a running"}, {defined, true, "a"}} {
			f.bIsDead = step.bDies
			f.sees(1, step.state)
			if got := f.home(1); got != step.expect {
				t.Errorf("after %+v it is on %q", step, got)
			}
			if isRunning, known := f.Running(id(1)); !known || isRunning != (step.state != defined) {
				t.Errorf("after %+v the domain is known %v, running %v", step, known, isRunning)
			}
		}
		f.sees(4, moving)
		if got := f.home(4); got != "a running" {
			t.Errorf("a guest that no host knows is on %q", got)
		}
	})
}

// A guest that libvirt no longer has because it was migrated has arrived on the other host.
func TestLeft(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		for _, step := range []struct {
			away   bool
			home   string
			fromID string
		}{{false, "b", "a"}, {true, "b starting", ""}, {true, "b starting", ""}} {
			if err := f.Left(t.Context(), id(6), step.away); err != nil {
				t.Fatal(err)
			}
			guest, _ := f.inventory.Snapshot().ByUUID(id(6))
			if f.home(6) != step.home || guest.FromID != step.fromID || guest.FromHost != "" != (step.fromID != "") || guest.Epoch != 2 {
				t.Errorf("away %v: %+v, want %q from %q", step.away, guest.Home, step.home, step.fromID)
			}
		}
		if err := f.Left(t.Context(), id(1), true); err != nil || f.home(1) != "b running" {
			t.Errorf("a guest that was never here: %q, %v", f.home(1), err)
		}
	})
}

// Guests that run on two hosts are listed by name, and logged once, until they do not run
// here or the other host has failed.
func TestContested(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		expect := func(what, want string, logged int) {
			t.Helper()
			var list []string
			for _, guest := range f.Contested() {
				list = append(list, guest.Name)
			}
			if got := strings.Join(list, " "); got != want {
				t.Errorf("%s: contested are %q, want %q", what, got, want)
			}
			if n := strings.Count(f.log.String(), "a guest runs on two hosts"); n != logged {
				t.Errorf("%s: %d are logged, want %d:\n%s", what, n, logged, f.log)
			}
		}
		for range 2 {
			f.sees(3, running)
			f.sees(1, running)
			f.sees(2, defined)
			f.sees(4, running)
			f.sees(6, running)
			expect("g1 and g3 run here", "g1 g3", 2)
		}
		f.sees(1, defined)
		expect("g1 stops", "g3", 2)
		f.sees(1, running)
		expect("g1 starts again", "g1 g3", 3)
		f.left(t, 3, false)
		expect("g3 leaves", "g1", 3)
		f.left(t, 6, true)
		f.bIsDead = true
		f.sees(1, running)
		expect("b fails", "", 3)
		if got := names(f.moves.listStrays()); got != "" {
			t.Errorf("strays are %s", got)
		}
	})
}

// A guest that was removed from the inventory while it runs on two hosts is not listed.
func TestContestedAndRemoved(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		f.sees(1, running)
		f.sees(2, running)
		if _, err := f.inventory.Release(t.Context(), "g1"); err != nil {
			t.Fatal(err)
		}
		if list := f.Contested(); len(list) != 1 || list[0].Name != "g2" {
			t.Errorf("contested are %+v, want g2", list)
		}
	})
}

// A stray that stops is none, also if it has left the networks meanwhile.
func TestStrayThatStops(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		f.sees(1, running)
		if err := f.Seen(t.Context(), domain(1, "g1", "other")); err != nil {
			t.Fatal(err)
		}
		if got := names(f.moves.listStrays()); got != "" {
			t.Errorf("strays are %s", got)
		}
	})
}

// A stray that libvirt does not list any more is none.
func TestStrayThatIsNotListed(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		f.sees(1, running)
		if err := f.Listed(t.Context(), time.Now(), nil, nil); err != nil {
			t.Fatal(err)
		}
		if got := names(f.moves.listStrays()); got != "" {
			t.Errorf("strays are %s", got)
		}
		if got := f.home(1); got != "b running" {
			t.Errorf("it is on %q", got)
		}
	})
}

// Doubts are told once each, and announced.
func TestDoubts(t *testing.T) {
	m := newMoves()
	r := &Reconciler{moves: m}
	m.doubt()
	select {
	case <-r.Doubted():
		t.Error("nothing is announced as a doubt")
	default:
	}
	m.doubt(id(1), id(2))
	m.doubt(id(2))
	select {
	case <-r.Doubted():
	default:
		t.Error("doubts are not announced")
	}
	if got := names(r.Doubts()); got != "g1 g2" {
		t.Errorf("doubted are %s", got)
	}
	if got := names(r.Doubts()); got != "" {
		t.Errorf("doubted are %s again", got)
	}
}

// A record is doubtful if it does not agree with what libvirt told of the domain here.
func TestDoubtful(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		record := func(host string, run instance.RunState, state instance.PresenceState) *instance.Instance {
			return &instance.Instance{UUID: id(7), Home: instance.Home{HostID: host, Run: run}, Presence: instance.Presence{State: state}}
		}
		const here, there = "a", "b"
		leaving := record(there, instance.NotRunning, "")
		leaving.FromID = here
		for name, tt := range map[string]struct {
			domain      string // here
			before, now *instance.Instance
			want        bool
		}{
			"sent back, and not here":          {absent, record(there, instance.Running, ""), record(here, instance.Running, ""), true},
			"sent back, and defined":           {defined, record(there, instance.Running, ""), record(here, instance.Running, ""), true},
			"sent back, and running":           {running, record(there, instance.Running, ""), record(here, instance.Running, ""), false},
			"sent back, and not started":       {absent, record(there, instance.Running, ""), record(here, instance.Starting, ""), false},
			"of this host, as before":          {absent, record(here, instance.Running, ""), record(here, instance.Running, ""), false},
			"new on this host":                 {absent, nil, record(here, instance.Running, ""), false},
			"running here, and stopped there":  {running, nil, record(there, instance.NotRunning, ""), true},
			"running here, and starting there": {running, nil, record(there, instance.Starting, ""), false},
			"running here, and received there": {running, nil, leaving, false},
			"running on both hosts":            {running, nil, record(there, instance.Running, ""), false},
			"defined here, and gone there":     {defined, nil, record(there, instance.NotRunning, instance.Gone), true},
			"defined here, and present there":  {defined, nil, record(there, instance.NotRunning, instance.Present), false},
			"unknown here, and gone there":     {absent, nil, record(there, instance.NotRunning, instance.Gone), false},
		} {
			f.forgetRunning(id(7))
			if tt.domain != absent {
				f.setRunning(id(7), tt.domain == running)
			}
			if got := f.doubtful(tt.before, tt.now); got != tt.want {
				t.Errorf("%s: %v, want %v", name, got, tt.want)
			}
		}
	})
}

// The reconciler follows what the inventory tells of guests of other hosts, and doubts
// again and again what runs here without belonging here, and what does not start.
func TestRunDoubts(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		f.run(t)
		synctest.Wait()
		expect := func(what, want string) {
			t.Helper()
			if got := names(f.Doubts()); got != want {
				t.Errorf("%s: doubted are %q, want %q", what, got, want)
			}
		}
		sleep(lookAgain)
		expect("at first", "")
		f.bIsDead = true
		if _, err := f.inventory.Observe(t.Context(), domain(1, "g1", "mds").Domain, true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect("g1 is said to run here", "g1")
		f.bIsDead = false
		f.sees(2, running)
		starts := domain(4, "g4", "mds").Domain
		starts.Source = instance.ByHook
		if _, err := f.inventory.Register(t.Context(), starts); err != nil {
			t.Fatal(err)
		}
		sleep(lookAgain)
		expect("a moment after g4 is about to start", "g2")
		sleep(lookAgain)
		expect("g4 is about to start for long", "g2 g4")
		f.sees(2, defined)
		f.sees(4, running)
		sleep(lookAgain)
		expect("in the end", "")
	})
}

// A guest that is about to start on another host is not doubted here.
func TestStartsOfOthers(t *testing.T) {
	onHostA(t, func(t *testing.T, f *fellow) {
		starts := domain(4, "g4", "mds").Domain
		starts.Source = instance.ByHook
		if _, err := f.inventory.Register(t.Context(), starts); err != nil {
			t.Fatal(err)
		}
		before := map[uuid.UUID]bool{}
		for n := range 10 {
			before[id(n)] = true
		}
		if now := f.doubtStarts(before); len(now) != 1 || !now[id(4)] || names(f.Doubts()) != "g4" {
			t.Errorf("about to start are %v", now)
		}
	})
}

// A host that shares its inventory with none follows no others.
func TestRunAlone(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
		r.run(t)
		r.seen(t, 1)
		r.moves.setStray(id(1), true)
		sleep(3 * lookAgain)
		if got := names(r.Doubts()); got != "" {
			t.Errorf("doubted are %s", got)
		}
	})
}

// Guests that are there or away are no reason to wake up.
func TestNoReleaseIsDue(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
		r.seen(t, 1, 2)
		r.left(t, 2, true)
		if next := r.release(t.Context()); next >= 0 {
			t.Errorf("the next release is in %s", next)
		}
	})
}

// Only a domain that runs can have been found running.
func TestFoundRunning(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
		runs, stopped, late := domain(1, "g1", "mds"), domain(2, "g2", "mds"), domain(3, "g3", "mds")
		runs.Running, late.Running = true, true
		if err := r.Seen(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		if err := r.Listed(t.Context(), time.Now(), []watch.Domain{runs, stopped, late}, nil); err != nil {
			t.Fatal(err)
		}
		for n, want := range map[int]bool{1: true, 2: false, 3: false} {
			if got := r.FoundRunning(id(n)); got != want {
				t.Errorf("g%d: %v, want %v", n, got, want)
			}
		}
	})
}
