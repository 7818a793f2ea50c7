package hostkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

func fingerprints(keys []ssh.PublicKey) []string {
	list := []string{}
	for _, key := range keys {
		list = append(list, ssh.FingerprintSHA256(key))
	}
	return list
}

func (h *house) expect(guest *instance.Instance, want ...ssh.PublicKey) Record {
	h.t.Helper()
	record := h.keys.Of(guest)
	if got, want := fmt.Sprint(fingerprints(record.Keys)), fmt.Sprint(fingerprints(want)); got != want {
		h.t.Errorf("the keys of %s are %s, want %s", guest.Name, got, want)
	}
	return record
}

func TestKeysSurviveARestart(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	h.expect(web)
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
	h.expect(web, hostKey(t, 1))
	h.save()
	h.reopen()
	record := h.expect(web, hostKey(t, 1))
	if record.Since.IsZero() || record.Reported.IsZero() || len(record.Changes) != 0 {
		t.Errorf("%+v", record)
	}
}

func TestKeysGoWithTheGuest(t *testing.T) {
	for name, whenForgotten := range map[string]func(*house){"at once": func(*house) {}, "after a restart": (*house).reopen} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			web, db := h.start(1, "web", "mds"), h.start(2, "db", "mds")
			h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
			h.keys.Keep(db.UUID, []ssh.PublicKey{hostKey(t, 2)})
			h.save()
			if name == "at once" {
				h.release(web)
			} else if _, err := h.inv.Release(t.Context(), "web"); err != nil {
				t.Fatal(err)
			}
			whenForgotten(h)
			h.save()
			notes, err := h.store.Notes(t.Context())
			if err != nil || len(notes) != 1 || notes[notePrefix+db.UUID.String()] == "" {
				t.Errorf("the notes are %q, %v; want those of db alone", notes, err)
			}
			web = h.start(1, "web", "mds") // back again, with its instance-id
			h.expect(web)
			h.expect(db, hostKey(t, 2))
		})
	}
}

func TestKeysGoWithReprovision(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
	feed := h.inv.Subscribe()
	defer feed.Close()
	again, err := h.inv.Reprovision(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	h.expect(&again) // even before the event arrives
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 2)})
	h.follow(feed)
	if record := h.expect(&again, hostKey(t, 2)); len(record.Changes) != 0 {
		t.Errorf("new keys after a reprovision are a change: %+v", record.Changes)
	}
}

// The last report wins, and the change is on record.
func TestChangeUnderOneInstanceID(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1), hostKey(t, 2)})
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 2), hostKey(t, 1)}) // the order makes no change
	if record := h.keys.Of(web); len(record.Changes) != 0 {
		t.Errorf("the same keys are a change: %+v", record.Changes)
	}
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 2), hostKey(t, 3)})
	h.save()
	h.reopen()
	record := h.keys.Of(web)
	if len(record.Keys) != 2 || len(record.Changes) != 1 {
		t.Fatalf("%+v", record)
	}
	change := record.Changes[0]
	if fmt.Sprint(change.Added, change.Removed) != fmt.Sprint(fingerprints([]ssh.PublicKey{hostKey(t, 3)}), fingerprints([]ssh.PublicKey{hostKey(t, 1)})) {
		t.Errorf("the change is %+v", change)
	}
	for n := range 50 {
		h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, n)})
	}
	if record := h.expect(web, hostKey(t, 49)); len(record.Changes) != maxChanges {
		t.Errorf("%d changes are kept, want %d", len(record.Changes), maxChanges)
	}
}

func TestReportsOfStrangersAreIgnored(t *testing.T) {
	h := newHouse(t)
	h.keys.Keep(uuid.New(), []ssh.PublicKey{hostKey(t, 1)})
	h.save()
	if notes, err := h.store.Notes(t.Context()); err != nil || len(notes) != 0 {
		t.Errorf("notes: %q, %v", notes, err)
	}
}

func TestReportWithoutGoodKeysChangesNothing(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
	h.keys.Keep(web.UUID, nil)
	h.keys.Keep(web.UUID, []ssh.PublicKey{rsaKey(t, 1024)})
	h.expect(web, hostKey(t, 1))
}

func TestDamagedNotesAreForgotten(t *testing.T) {
	h := newHouse(t)
	web, db := h.start(1, "web", "mds"), h.start(2, "db", "mds")
	h.keys.Keep(db.UUID, []ssh.PublicKey{hostKey(t, 2)})
	h.save()
	for _, text := range []string{"{", "{}", `{"keys":["AAAA"]}`, `{"keys":[]}`, "null"} {
		if err := h.store.SetNote(t.Context(), notePrefix+web.UUID.String(), text); err != nil {
			t.Fatal(err)
		}
		h.reopen()
		h.expect(web)
		h.expect(db, hostKey(t, 2))
		h.save()
		if left, err := h.store.Note(t.Context(), notePrefix+web.UUID.String()); err != nil || left != "" {
			t.Errorf("%s is left as %q, %v", text, left, err)
		}
	}
}

// failing are notes that cannot be written for a while.
type failing struct {
	storage.Store
	fails int
}

func (f *failing) SetNote(ctx context.Context, key, text string) error {
	if f.fails--; f.fails >= 0 {
		return errors.New("no space left on device")
	}
	return f.Store.SetNote(ctx, key, text)
}

func TestFailedWritesAreTriedAgain(t *testing.T) {
	h := newHouse(t)
	h.keys.notes = &failing{Store: h.store, fails: 1}
	guests := []*instance.Instance{h.start(1, "a", "mds"), h.start(2, "b", "mds"), h.start(3, "c", "mds")}
	for n, guest := range guests {
		h.keys.Keep(guest.UUID, []ssh.PublicKey{hostKey(t, n)})
	}
	if err := h.keys.write(t.Context()); err == nil {
		t.Fatal("a write that failed is not reported")
	}
	if err := h.keys.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.reopen()
	for n, guest := range guests {
		h.expect(guest, hostKey(t, n))
	}
}

// Run writes reports soon after they arrive, and those of the last moment when it
// ends.
func TestRun(t *testing.T) {
	h := newHouse(t)
	web, db := h.start(1, "web", "mds"), h.start(2, "db", "mds")
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.keys.Run(ctx) })
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
	for note := ""; note == ""; time.Sleep(time.Millisecond) {
		var err error
		if note, err = h.store.Note(t.Context(), notePrefix+web.UUID.String()); err != nil {
			t.Fatal(err)
		}
	}
	h.keys.Keep(db.UUID, []ssh.PublicKey{hostKey(t, 2)})
	end()
	running.Wait()
	h.reopen()
	h.expect(web, hostKey(t, 1))
	h.expect(db, hostKey(t, 2))
}

// listening returns what a house's keys log.
func (h *house) listening() *strings.Builder {
	var log strings.Builder
	h.keys.log = slog.New(slog.NewTextHandler(&log, nil))
	return &log
}

// A change under one instance-id is a warning, once, and ignored keys are a note.
func TestWhatIsLogged(t *testing.T) {
	h := newHouse(t)
	log := h.listening()
	web := h.start(1, "web", "mds")
	for _, step := range []struct {
		keys []ssh.PublicKey
		want string
	}{
		{[]ssh.PublicKey{hostKey(t, 1)}, ""},
		{[]ssh.PublicKey{hostKey(t, 1), rsaKey(t, 1024)}, "some ssh host keys of a guest are ignored"},
		{[]ssh.PublicKey{hostKey(t, 1)}, ""},
	} {
		log.Reset()
		h.keys.Keep(web.UUID, step.keys)
		if (log.Len() == 0) != (step.want == "") || !strings.Contains(log.String(), step.want) {
			t.Errorf("logged %q, want %q", log, step.want)
		}
	}
	// changes count by the second
	record := h.keys.records[web.UUID]
	record.Since = record.Since.Add(-time.Minute)
	h.keys.records[web.UUID] = record
	log.Reset()
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 2)})
	if want := ssh.FingerprintSHA256(hostKey(t, 2)); strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), "added=["+want+"] removed=["+ssh.FingerprintSHA256(hostKey(t, 1))+"]") {
		t.Errorf("a change logs %q", log)
	}
	log.Reset()
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 2)})
	if log.Len() > 0 {
		t.Errorf("the same keys again log %q", log)
	}
}

// Only a release and a new instance-id have keys forgotten.
func TestForget(t *testing.T) {
	for name, tt := range map[string]struct {
		event func(old, moved, renewed *instance.Instance) instance.Event
		kept  bool
	}{
		"added":           {func(old, _, _ *instance.Instance) instance.Event { return instance.Event{New: old} }, true},
		"changed":         {func(old, moved, _ *instance.Instance) instance.Event { return instance.Event{Old: old, New: moved} }, true},
		"released":        {func(old, _, _ *instance.Instance) instance.Event { return instance.Event{Old: old} }, false},
		"new instance-id": {func(old, _, renewed *instance.Instance) instance.Event { return instance.Event{Old: old, New: renewed} }, false},
		// its first report was faster than the event
		"already reported": {func(old, _, renewed *instance.Instance) instance.Event { return instance.Event{Old: renewed, New: old} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			old := h.start(1, "web", "mds")
			h.keys.Keep(old.UUID, []ssh.PublicKey{hostKey(t, 1)})
			h.save()
			moved, renewed := *old, *old
			moved.Hostname, renewed.ID = "moved", "i-renewed"
			h.keys.Forget([]instance.Event{tt.event(old, &moved, &renewed)})
			if _, kept := h.keys.records[old.UUID]; kept != tt.kept || h.keys.dirty[old.UUID] == tt.kept {
				t.Errorf("kept: %v, to be written: %v", kept, h.keys.dirty[old.UUID])
			}
		})
	}
}

// A guest without keys has none to forget.
func TestForgetNothing(t *testing.T) {
	h := newHouse(t)
	if h.keys.Forget([]instance.Event{{Old: h.start(1, "web", "mds")}}); len(h.keys.dirty) > 0 {
		t.Errorf("to be written: %v", h.keys.dirty)
	}
}

// Notes of others stay, and one that is named like ours is ignored.
func TestStrangeNotes(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
	h.save()
	strange := []string{notePrefix + "web", "zzz", "another/" + web.UUID.String()}
	log := &strings.Builder{}
	for _, key := range strange {
		if err := h.store.SetNote(t.Context(), key, "x"); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if h.keys, err = Open(t.Context(), h.store, h.inv.Snapshot, slog.New(slog.NewTextHandler(log, nil))); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "note="+strange[0]) {
		t.Errorf("logged are %s", log)
	}
	h.expect(web, hostKey(t, 1))
	if len(h.keys.dirty) != 0 {
		t.Errorf("to be written: %v", h.keys.dirty)
	}
	h.save()
	for _, key := range strange {
		if text, err := h.store.Note(t.Context(), key); err != nil || text != "x" {
			t.Errorf("%s is %q, %v", key, text, err)
		}
	}
}

// What was written is not written again, and a write that failed is.
func TestWriteOnce(t *testing.T) {
	h := newHouse(t)
	notes := &counting{Store: h.store}
	h.keys.notes = notes
	web, db := h.start(1, "web", "mds"), h.start(2, "db", "mds")
	h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
	h.keys.Keep(db.UUID, []ssh.PublicKey{hostKey(t, 2)})
	notes.refuse = 2 // the second of two
	if err := h.keys.write(t.Context()); err == nil || len(h.keys.dirty) != 1 {
		t.Errorf("%v, to be written: %v", err, h.keys.dirty)
	}
	h.save()
	h.save()
	if notes.writes != 3 {
		t.Errorf("%d writes of two notes, of which one failed; want 3", notes.writes)
	}
}

// counting are notes that count writes and refuse one.
type counting struct {
	storage.Store
	writes, refuse int
}

func (c *counting) SetNote(ctx context.Context, key, text string) error {
	if c.writes++; c.writes == c.refuse {
		return errors.New("no space left on device")
	}
	return c.Store.SetNote(ctx, key, text)
}

// Run reports a store that fails once, not in each round, and not that it was ended.
func TestRunComplains(t *testing.T) {
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	synctest.Test(t, func(t *testing.T) {
		log := h.listening()
		h.keys.notes = &failing{Store: nil, fails: 1000}
		h.keys.wake = make(chan struct{}, 1) // of this bubble
		h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { h.keys.Run(ctx) })
		time.Sleep(10*pause + pause/2)
		synctest.Wait()
		left := h.keys.notes.(*failing).fails
		end()
		running.Wait()
		if tried := 1000 - left; tried != 11 {
			t.Errorf("tried %d times in %v", tried, 10*pause)
		}
		if n := strings.Count(log.String(), `level=ERROR msg="the ssh host keys of guests were not saved"`); n != 1 {
			t.Errorf("%d complaints:\n%s", n, log)
		}
	})
}

// stuck are notes that take no text for a while.
type stuck struct {
	storage.Store
	until  int // so many writes end only with their context
	writes int
}

func (s *stuck) SetNote(ctx context.Context, _, _ string) error {
	if s.writes++; s.writes > s.until {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// A write that Run's end interrupts is made again, for five seconds, and is no trouble if
// it succeeds.
func TestRunEndsWhileItWrites(t *testing.T) {
	for until, want := range map[int]struct {
		takes  time.Duration
		logged int
	}{1: {0, 0}, 2: {5 * time.Second, 1}} {
		h := newHouse(t)
		web := h.start(1, "web", "mds")
		synctest.Test(t, func(t *testing.T) {
			log := h.listening()
			h.keys.notes = &stuck{until: until}
			h.keys.wake = make(chan struct{}, 1) // of this bubble
			h.keys.Keep(web.UUID, []ssh.PublicKey{hostKey(t, 1)})
			ctx, end := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { h.keys.Run(ctx) })
			synctest.Wait()
			end()
			began := time.Now()
			running.Wait()
			if took := time.Since(began); took != want.takes || strings.Count(log.String(), "\n") != want.logged {
				t.Errorf("after %d stuck writes it ends in %s, and logs %q", until, took, log)
			}
		})
	}
}

// unreadable are notes of a store that is broken.
type unreadable struct{ storage.Store }

var errBroken = errors.New("input/output error")

func (unreadable) Note(context.Context, string) (string, error)        { return "", errBroken }
func (unreadable) Notes(context.Context) (map[string]string, error)    { return nil, errBroken }
func (unreadable) SetNote(_ context.Context, _ string, _ string) error { return errBroken }

// unwritable are notes of a store that only reads.
type unwritable struct{ storage.Store }

func (unwritable) SetNote(context.Context, string, string) error { return errBroken }

func TestBrokenStore(t *testing.T) {
	h := newHouse(t)
	if keys, err := Open(t.Context(), unreadable{}, h.inv.Snapshot, quiet); keys != nil || !errors.Is(err, errBroken) || err.Error() != "ssh host keys: input/output error" {
		t.Errorf("keys %v, %v", keys, err)
	}
	for _, notes := range []Notes{unreadable{}, unwritable{h.store}} {
		if a, err := OpenAuthority(t.Context(), notes); a != nil || !errors.Is(err, errBroken) || err.Error() != "ssh host authority: input/output error" {
			t.Errorf("%T: authority %v, %v", notes, a, err)
		}
	}
}
