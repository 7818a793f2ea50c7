package timeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/api"
)

// fakeArchive is an Archive in memory that can fail.
type fakeArchive struct {
	mu       sync.Mutex
	boots    map[uuid.UUID]map[int]api.Boot
	contents map[string][]byte
	failure  error
}

func newFakeArchive() *fakeArchive {
	return &fakeArchive{boots: map[uuid.UUID]map[int]api.Boot{}, contents: map[string][]byte{}}
}

func (a *fakeArchive) Last() (map[uuid.UUID]api.Boot, error) {
	last := map[uuid.UUID]api.Boot{}
	for id := range a.boots {
		all, _ := a.Boots(id)
		last[id] = all[len(all)-1]
	}
	return last, nil
}

func (a *fakeArchive) Boots(id uuid.UUID) (all []api.Boot, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.boots[id] {
		all = append(all, b)
	}
	slices.SortFunc(all, func(x, y api.Boot) int { return x.Number - y.Number })
	return all, a.failure
}

func (a *fakeArchive) Content(hash string) ([]byte, error) { return a.contents[hash], nil }

func (a *fakeArchive) Write(b Batch) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failure != nil {
		return a.failure
	}
	for _, id := range b.Removed {
		delete(a.boots, id)
	}
	for _, g := range b.Boots {
		if a.boots[g.Guest] == nil {
			a.boots[g.Guest] = map[int]api.Boot{}
		}
		a.boots[g.Guest][g.Boot.Number] = g.Boot
	}
	for hash, body := range b.Contents {
		a.contents[hash] = body
	}
	return nil
}

// stopNow ends a Run at once: it writes what there is and returns.
func stopNow() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// outline is the sketches of all boots of web1.
func outline(l *Log) string {
	var all []string
	boots, _ := l.Boots(web1)
	for _, b := range boots {
		all = append(all, sketch(b))
	}
	return strings.Join(all, "; ")
}

func TestArchive(t *testing.T) {
	archive := newFakeArchive()
	l := New(archive, slog.New(slog.DiscardHandler))
	start(0, api.FromLibvirt)(l)
	l.Run(stopNow())
	dhcp(1, "DHCPACK")(l)
	start(60, api.FromLibvirt)(l)
	l.Served(web1, Document{Kind: UserdataDocument, Body: []byte("text")})
	const want = "started DHCPACK |; started"
	if got := outline(l); got != want {
		t.Errorf("before they are written: %s", got)
	}
	l.Run(stopNow())
	if got := outline(l); got != want {
		t.Errorf("when they are written: %s", got)
	}

	again := New(archive, slog.New(slog.DiscardHandler))
	if got := outline(again); got != want {
		t.Errorf("after a restart: %s", got)
	}
	if again.Revision() < l.Revision() {
		t.Errorf("the revision went from %d to %d", l.Revision(), again.Revision())
	}
	b, _ := again.Present(web1)
	if body, err := again.Content(b.Userdata); err != nil || string(body) != "text" {
		t.Errorf("content %q, %v", body, err)
	}

	again.Forget(web1)
	if got := outline(again); got != "" {
		t.Errorf("forgotten, and there is %s", got)
	}
	start(90, api.FromLibvirt)(again)
	again.Run(stopNow())
	if got := outline(New(archive, slog.New(slog.DiscardHandler))); got != "started" {
		t.Errorf("after it was forgotten: %s", got)
	}
}

// What could not be written is written later.
func TestArchiveThatFails(t *testing.T) {
	archive := newFakeArchive()
	l := New(archive, slog.New(slog.DiscardHandler))
	start(0, api.FromLibvirt)(l)
	l.Run(stopNow())
	archive.failure = errors.New("no space left on device")
	start(60, api.FromLibvirt)(l)
	start(120, api.FromLibvirt)(l)
	l.Run(stopNow())
	start(180, api.FromLibvirt)(l)
	l.Run(stopNow())
	if got := outline(l); got != "started |; started |; started |; started" {
		t.Errorf("while it fails: %s", got)
	}
	archive.failure = nil
	l.Run(stopNow())
	if got := outline(New(archive, slog.New(slog.DiscardHandler))); got != "started |; started |; started |; started" {
		t.Errorf("when it works again: %s", got)
	}
}

func TestLogOfManyAtOnce(t *testing.T) {
	l := New(newFakeArchive(), slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	var running, working sync.WaitGroup
	running.Go(func() { l.Run(ctx) })
	running.Go(func() {
		for revision := uint64(0); ctx.Err() == nil; {
			revision, _ = l.Changed(ctx, revision)
		}
	})
	for g := range 8 {
		working.Go(func() {
			id := uuid.UUID{15: byte(g % 4)}
			for i := range 100 {
				l.Start(id, after(float64(i)), api.FromLibvirt)
				l.Request(id, Request{At: after(float64(i)), Method: "GET", Path: "/latest/user-data", Status: 200})
				l.Served(id, Document{Kind: UserdataDocument, Body: []byte{byte(i)}})
				_, _ = l.Boots(id)
			}
		})
	}
	working.Wait()
	stop()
	running.Wait()
	for g := range 4 {
		if b, ok := l.Present(uuid.UUID{15: byte(g)}); !ok || b.Number != 200 {
			t.Errorf("guest %d is in boot %d after 200 starts", g, b.Number)
		}
	}
}

// What a request costs the record.
func BenchmarkRequest(b *testing.B) {
	r := Request{At: noon, Method: "GET", Path: "/2021-03-23/meta-data/instance-id", Status: 200}
	b.Run("with the record", func(b *testing.B) {
		l := newLog()
		b.ReportAllocs()
		for b.Loop() {
			l.Request(web1, r)
		}
	})
	b.Run("requests alone", func(b *testing.B) {
		l := newLog()
		b.ReportAllocs()
		for b.Loop() {
			l.Requests.Note(web1, r)
		}
	})
}
