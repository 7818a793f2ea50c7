package timeline

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
)

// answer is what Changed has returned, and how long that took.
type answer struct {
	revision uint64
	guests   []uuid.UUID
	took     time.Duration
}

// ask calls Changed in the background.
func ask(ctx context.Context, l *Log, since uint64, of ...uuid.UUID) <-chan answer {
	answers, began := make(chan answer, 1), time.Now()
	go func() {
		revision, guests := l.Changed(ctx, since, of...)
		answers <- answer{revision, guests, time.Since(began)}
	}()
	synctest.Wait()
	return answers
}

// Who follows all guests gets the changes of a tenth of a second together. Who waits for
// one guest gets a change at once, and so does who asks for the first time.
func TestWhenChangesAreReturned(t *testing.T) {
	db := uuid.UUID{15: 2}
	for name, tt := range map[string]struct {
		of     []uuid.UUID
		first  bool
		took   time.Duration
		guests int
	}{
		"all guests":                    {nil, false, gathering, 2},
		"all guests for the first time": {nil, true, 0, 1},
		"one guest":                     {[]uuid.UUID{web1}, false, 0, 1},
		"two guests":                    {[]uuid.UUID{db, web1}, false, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLog()
				since := uint64(0)
				if !tt.first {
					l.Start(uuid.UUID{15: 3}, noon, api.FromLibvirt)
					since = l.Revision()
				}
				before := l.Revision()
				answers := ask(t.Context(), l, since, tt.of...)
				start(0, api.FromLibvirt)(l)
				synctest.Wait()
				time.Sleep(gathering - 1)
				l.Start(db, noon, api.FromLibvirt)
				got := <-answers
				if got.took != tt.took || len(got.guests) != tt.guests || !slices.Contains(got.guests, web1) {
					t.Errorf("%v after %v", got.guests, got.took)
				}
				if want := before + uint64(tt.guests); got.revision != want {
					t.Errorf("revision %d, want %d", got.revision, want)
				}
			})
		})
	}
}

// TestSignAfterAJudgement checks that, after time has changed a verdict, the next sign of life
// is news even if the boot has it already, and that further ones are not.
func TestSignAfterAJudgement(t *testing.T) {
	l := newLog()
	start(0, api.FromLibvirt)(l)
	ask := func() { l.Request(web1, Request{At: noon, Method: "GET", Path: "/latest/user-data", Status: 200}) }
	ask()
	for _, step := range []struct {
		name string
		do   func()
		news bool
	}{
		{"a repeated request", ask, false},
		{"a judgement", func() { l.Judged(web1) }, true},
		{"a repeated request after it", ask, true},
		{"a further request", ask, false},
	} {
		before := l.Revision()
		if step.do(); (l.Revision() > before) != step.news {
			t.Errorf("%s: revision %d after %d", step.name, l.Revision(), before)
		}
	}
}

// A change of other guests ends no wait, and a Wake ends each.
func TestChangesOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		start(0, api.FromLibvirt)(l)
		since := l.Revision()
		answers := ask(t.Context(), l, since, web1)
		l.Start(uuid.UUID{15: 2}, noon, api.FromLibvirt)
		time.Sleep(time.Hour)
		select {
		case got := <-answers:
			t.Fatalf("a change of another guest gives %+v", got)
		default:
		}
		l.Wake()
		if got := <-answers; got.took != time.Hour || got.guests != nil || got.revision != since+2 {
			t.Errorf("%+v", got)
		}
		if got := <-ask(t.Context(), l, since+1, web1); got.took != 0 || got.revision != since+2 {
			t.Errorf("a Wake before the call: %+v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got := <-ask(ctx, l, since+2, web1); got.took != time.Minute || got.guests != nil || got.revision != since+2 {
			t.Errorf("a Wake that is known: %+v", got)
		}
	})
}

// A context that ends while changes are gathered ends the wait.
func TestEndOfGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		start(0, api.FromLibvirt)(l)
		ctx, cancel := context.WithCancel(t.Context())
		answers := ask(ctx, l, l.Revision())
		start(60, api.FromLibvirt)(l)
		synctest.Wait()
		time.Sleep(gathering / 2)
		cancel()
		if got := <-answers; got.took != gathering/2 || len(got.guests) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// A revision that is yet to come is a former server's: all counts as changed.
func TestRevisionOfAFormerServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		start(0, api.FromLibvirt)(l)
		for _, since := range []uint64{l.Revision() + 1, 4711} {
			if got := <-ask(t.Context(), l, since, web1); got.took != 0 || len(got.guests) != 1 || got.revision != l.Revision() {
				t.Errorf("since %d: %+v", since, got)
			}
		}
	})
}

// The first change of a record is one to wait for, after a revision that is not 0: who
// knows none asks with 0, and is answered at once.
func TestFirstChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		since := l.Revision()
		answers := ask(t.Context(), l, since, web1)
		time.Sleep(time.Hour)
		start(0, api.FromLibvirt)(l)
		if got := <-answers; since == 0 || got.took != time.Hour || got.revision != since+1 || len(got.guests) != 1 {
			t.Errorf("after %d: %+v", since, got)
		}
	})
}

func TestEachPresent(t *testing.T) {
	l := newLog()
	db, gone := uuid.UUID{15: 2}, uuid.UUID{15: 3}
	start(0, api.FromLibvirt)(l)
	start(60, api.FromLibvirt)(l)
	l.Start(db, noon, api.FromLibvirt)
	l.Stop(gone, noon, api.EntryStopped, "") // it has no boot
	for name, tt := range map[string]struct {
		of   []uuid.UUID
		want map[uuid.UUID]int
	}{
		"all":           {nil, map[uuid.UUID]int{web1: 2, db: 1}},
		"one":           {[]uuid.UUID{web1}, map[uuid.UUID]int{web1: 2}},
		"one, and none": {[]uuid.UUID{{15: 9}, db, gone}, map[uuid.UUID]int{db: 1}},
		"none":          {[]uuid.UUID{gone}, map[uuid.UUID]int{}},
	} {
		got := map[uuid.UUID]int{}
		l.EachPresent(tt.of, func(id uuid.UUID, b api.Boot) { got[id] = b.Number })
		if len(got) != len(tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		for id, number := range tt.want {
			if got[id] != number {
				t.Errorf("%s: %v, want %v", name, got, tt.want)
			}
		}
	}
	if b, ok := l.Present(gone); ok {
		t.Errorf("a guest without a boot has %+v", b)
	}
}

// The last changes are remembered each, and before that it is not known who has changed.
func TestRecentNews(t *testing.T) {
	var n news
	n.startAt(1)
	n.next(web1)
	for range recent - 1 {
		n.next(uuid.UUID{2})
	}
	if guests, known := n.since(1); !known || len(guests) != 2 || !guests[web1] {
		t.Errorf("after %d changes: %v, known %v", recent, guests, known)
	}
	n.next(uuid.UUID{2})
	if _, known := n.since(1); known {
		t.Errorf("after %d changes, all are known", recent+1)
	}
	if guests, known := n.since(n.now()); !known || len(guests) > 0 {
		t.Errorf("since now: %v, known %v", guests, known)
	}
	if _, known := n.since(0); known {
		t.Error("what was before the record began is known")
	}
}
