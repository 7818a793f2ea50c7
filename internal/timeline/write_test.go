package timeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
)

// fakeArchive is an Archive in memory that can fail.
type fakeArchive struct {
	mu       sync.Mutex
	boots    map[uuid.UUID]map[int]api.Boot
	contents map[string][]byte
	failure  error
	written  []Batch
}

func newFakeArchive() *fakeArchive {
	return &fakeArchive{boots: map[uuid.UUID]map[int]api.Boot{}, contents: map[string][]byte{}}
}

func (a *fakeArchive) EachLast(do func(uuid.UUID, api.Boot)) error {
	if a.failure != nil {
		return a.failure
	}
	for id := range a.boots {
		all, _ := a.Boots(id)
		do(id, all[len(all)-1])
	}
	return nil
}

func (a *fakeArchive) Boot(id uuid.UUID, number int) (api.Boot, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.boots[id][number]
	b.Entries = slices.Clone(b.Entries)
	return b, a.failure
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

func (a *fakeArchive) Content(hash string) ([]byte, error) { return a.contents[hash], a.failure }

func (a *fakeArchive) Write(b Batch) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failure != nil {
		return a.failure
	}
	a.written = append(a.written, b)
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

// Boots that could not be written come before those that began meanwhile.
func TestBootThatBeginsWhileOthersAreWritten(t *testing.T) {
	l := New(newFakeArchive(), slog.New(slog.DiscardHandler))
	start(0, api.FromLibvirt)(l)
	start(60, api.FromLibvirt)(l)
	b := l.gather()
	start(120, api.FromLibvirt)(l)
	l.again(b)
	var numbers []int
	for _, b := range l.inMemory(web1) {
		numbers = append(numbers, b.Number)
	}
	if !slices.Equal(numbers, []int{1, 2, 3}) {
		t.Errorf("the boots are %v", numbers)
	}
}

// A guest that was forgotten and came back has its new boots alone, also if the batch with
// both could not be written at first.
func TestForgottenGuestThatCameBack(t *testing.T) {
	archive := newFakeArchive()
	l := New(archive, slog.New(slog.DiscardHandler))
	start(0, api.FromLibvirt)(l)
	l.Run(stopNow())
	l.Forget(web1)
	start(60, api.FromLibvirt)(l)
	start(120, api.FromLibvirt)(l)
	archive.failure = errors.New("no space left on device")
	l.Run(stopNow())
	archive.failure = nil
	l.Run(stopNow())
	if got := outline(New(archive, slog.New(slog.DiscardHandler))); got != "started |; started" {
		t.Errorf("the archive has %q", got)
	}
}

// The record is written once a second if something has changed, and at the end.
func TestWhenItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		archive := newFakeArchive()
		l := New(archive, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Run(ctx)
		}()
		writes := func(after time.Duration, want int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			archive.mu.Lock()
			defer archive.mu.Unlock()
			if got := len(archive.written); got != want {
				t.Errorf("%d writes, want %d", got, want)
			}
		}
		start(0, api.FromLibvirt)(l)
		writes(writePeriod-1, 0)
		writes(1, 1)
		writes(10*writePeriod, 1)
		start(60, api.FromLibvirt)(l)
		writes(writePeriod, 2)
		l.Forget(web1)
		writes(writePeriod, 3)
		start(120, api.FromLibvirt)(l)
		stop()
		<-done
		writes(0, 4)
		start(180, api.FromLibvirt)(l)
		writes(10*writePeriod, 4)
	})
	New(nil, nil).Run(t.Context()) // returns without an archive
}

// A batch has the boots of 512 guests at most. All are written at the end, each once.
func TestBatches(t *testing.T) {
	archive := newFakeArchive()
	l := New(archive, slog.New(slog.DiscardHandler))
	id := func(n int) uuid.UUID { return uuid.UUID{byte(n), byte(n >> 8), 15: byte(n)} }
	const guests = 2*mostWritten + 1
	for n := range guests {
		l.Start(id(n), noon, api.FromLibvirt)
	}
	if l.write() != true || len(archive.written[0].Boots) != mostWritten {
		t.Errorf("the first batch has %d boots", len(archive.written[0].Boots))
	}
	l.Run(stopNow())
	var sizes []int
	for _, b := range archive.written {
		sizes = append(sizes, len(b.Boots))
	}
	if want := []int{mostWritten, mostWritten, 1}; !slices.Equal(sizes, want) || len(archive.boots) != guests {
		t.Errorf("batches of %v boots, want %v; %d guests", sizes, want, len(archive.boots))
	}
	if l.write() || len(archive.written) != 3 {
		t.Errorf("%d batches without a change", len(archive.written))
	}
	start(0, api.FromLibvirt)(l)
	if l.write() {
		t.Error("a batch with all leaves more")
	}
	if b := archive.written[3]; len(b.Boots) != 1 || b.Boots[0].Guest != web1 || len(b.Removed) != 0 {
		t.Errorf("%+v", b)
	}
}

// Each batch begins with another shard, so that guests who change all the time do not
// keep others from being written.
func TestBatchesTakeTurns(t *testing.T) {
	archive := newFakeArchive()
	l := New(archive, slog.New(slog.DiscardHandler))
	busy := func(n int) uuid.UUID { return uuid.UUID{byte(n), byte(n >> 8), 15: 1} }
	last := uuid.UUID{15: shards - 1}
	l.Start(last, noon, api.FromLibvirt)
	for round := range shards + 1 {
		for n := range mostWritten {
			l.Start(busy(n), after(float64(60*round)), api.FromLibvirt)
		}
		l.write()
	}
	if archive.boots[last] == nil {
		t.Error("a guest is never written")
	}
}

// A guest that was forgotten stays so, even if the archive fails at that time.
func TestForgetWhileTheArchiveFails(t *testing.T) {
	archive := newFakeArchive()
	l := New(archive, slog.New(slog.DiscardHandler))
	db := uuid.UUID{15: 7}
	l.Start(db, noon, api.FromLibvirt)
	start(0, api.FromLibvirt)(l)
	l.Run(stopNow())
	archive.failure = errors.New("no space left on device")
	l.Forget(db)
	l.write()
	start(60, api.FromLibvirt)(l)
	start(100, api.FromLibvirt)(l) // gives the batch a former boot
	b := l.gather()
	l.Forget(web1)
	start(140, api.FromLibvirt)(l)
	l.again(b)
	archive.failure = nil
	l.Run(stopNow())
	if archive.boots[db] != nil {
		t.Errorf("boots of a guest that is gone: %+v", archive.boots[db])
	}
	if got := outline(l); got != "started" || len(archive.boots[web1]) != 1 {
		t.Errorf("%s, and %d boots are in the archive", got, len(archive.boots[web1]))
	}
	if len(l.shard(db).removed)+len(l.shard(web1).removed) != 0 {
		t.Error("they are to be removed again")
	}
}

// A batch that fails for a guest who was forgotten meanwhile brings nothing back.
func TestFailedBatchOfAForgottenGuest(t *testing.T) {
	l := New(newFakeArchive(), slog.New(slog.DiscardHandler))
	start(0, api.FromLibvirt)(l)
	b := l.gather()
	l.Forget(web1)
	l.again(b)
	if _, ok := l.Present(web1); ok || len(l.Guests()) != 0 {
		t.Error("there is still something of the guest")
	}
}

// Documents are kept until they are written, and a failure is logged once.
func TestDocumentsWhileTheArchiveFails(t *testing.T) {
	archive, log := newFakeArchive(), &strings.Builder{}
	l := New(archive, slog.New(slog.NewTextHandler(log, nil)))
	archive.failure = errors.New("no space left on device")
	for n := range 3 {
		l.Served(web1, Document{Kind: UserdataDocument, Body: []byte{byte('a' + n)}})
		l.write()
	}
	hash := hashOf([]byte("b"))
	if body, err := l.Content(hash); string(body) != "b" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if n := strings.Count(log.String(), "the record of boots cannot be written"); n != 1 {
		t.Errorf("logged %d times: %s", n, log)
	}
	archive.failure = nil
	l.write()
	if l.contents.get(hash) != nil || string(archive.contents[hash]) != "b" {
		t.Errorf("after a write: %d contents wait", len(l.contents.byHash))
	}
	if body, err := l.Content(hash); string(body) != "b" || err != nil {
		t.Errorf("%q, %v from the archive", body, err)
	}
	archive.failure = errors.New("no space left on device")
	if _, err := l.Content(hash); !errors.Is(err, archive.failure) {
		t.Errorf("%v", err)
	}
	if all, err := l.Boots(web1); !errors.Is(err, archive.failure) || len(all) != 1 {
		t.Errorf("%d boots, %v", len(all), err)
	}
	start(0, api.FromLibvirt)(l)
	l.write()
	if n := strings.Count(log.String(), "the record of boots cannot be written"); n != 2 {
		t.Errorf("logged %d times: %s", n, log)
	}
}

// Without its archive a record starts empty, and says so.
func TestArchiveThatCannotBeRead(t *testing.T) {
	log := &strings.Builder{}
	for _, failure := range []error{nil, errors.New("input/output error")} {
		archive := newFakeArchive()
		archive.failure = failure
		log.Reset()
		l := New(archive, slog.New(slog.NewTextHandler(log, nil)))
		if logged := strings.Contains(log.String(), "earlier boots of guests are not known"); logged != (failure != nil) || len(l.Guests()) != 0 {
			t.Errorf("%v: logged %q", failure, log)
		}
	}
}

// A document that is not known has no content.
func TestContentWithoutAnArchive(t *testing.T) {
	if body, err := newLog().Content("x"); body != nil || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

// A new server has only some entries of a boot in memory, and nothing shows it: what
// happens next is added to all of them, however it comes.
func TestBootGoesOnAfterARestart(t *testing.T) {
	before := []told{start(0, api.FromLibvirt), dhcp(1, "DHCPACK"), asks(2, "/latest/user-data", 200),
		stage(3, "init-network", "SUCCESS"), stage(4, "modules-final/config-ssh", "SUCCESS")}
	const all = "started DHCPACK user-data init-network=SUCCESS modules-final/config-ssh=SUCCESS"
	for name, c := range map[string]struct {
		then told
		want string
	}{
		"nothing":                    {func(*Log) {}, all},
		"a repeated request":         {asks(60, "/latest/user-data", 200), all},
		"another request":            {asks(60, "/latest/api/token", 200), all + " token"},
		"a report":                   {stage(60, "modules-final", "SUCCESS"), all + " modules-final=SUCCESS"},
		"a stop":                     {stop(60), all + " stopped |"},
		"a reboot":                   {reboot(60), all + " |; rebooted"},
		"user-data":                  {func(l *Log) { l.Served(web1, Document{Kind: UserdataDocument, Body: []byte("x")}) }, all},
		"a verdict by time, a lease": {func(l *Log) { l.Judged(web1); dhcp(60, "DHCPACK")(l) }, all},
	} {
		t.Run(name, func(t *testing.T) {
			archive := newFakeArchive()
			l := New(archive, slog.New(slog.DiscardHandler))
			for _, tell := range before {
				tell(l)
			}
			l.Run(stopNow())
			l = New(archive, slog.New(slog.DiscardHandler))
			if b, _ := l.Present(web1); len(b.Entries) != 2 {
				t.Errorf("%s are in memory", sketch(b))
			}
			c.then(l)
			if whole, _ := l.Whole(web1); !strings.HasSuffix(c.want, sketch(whole)) {
				t.Errorf("the last boot is %s, want %s", sketch(whole), c.want)
			}
			if got := outline(l); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			l.Run(stopNow())
			if got := outline(New(archive, slog.New(slog.DiscardHandler))); got != c.want {
				t.Errorf("after another restart: %s, want %s", got, c.want)
			}
		})
	}
}

// A boot whose other entries cannot be read goes on without them.
func TestBootThatCannotBeReadAgain(t *testing.T) {
	archive := newFakeArchive()
	l := New(archive, slog.New(slog.DiscardHandler))
	start(0, api.FromLibvirt)(l)
	dhcp(1, "DHCPACK")(l)
	l.Run(stopNow())
	l = New(archive, slog.New(slog.DiscardHandler))
	archive.failure = errors.New("input/output error")
	asks(2, "/latest/user-data", 200)(l)
	if b, ok := l.Whole(web1); !ok || sketch(b) != "started user-data" || b.Reached.Lease == nil {
		t.Errorf("%s", sketch(b))
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
