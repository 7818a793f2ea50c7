package verdict

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/timeline"
)

// due runs a test with a record whose verdicts are announced. Boots are stuck after a
// minute, or after what the test stores.
func due(t *testing.T, test func(t *testing.T, l *timeline.Log, stuckAfter *atomic.Int64)) {
	synctest.Test(t, func(t *testing.T) {
		l := timeline.New(nil, slog.New(slog.DiscardHandler))
		var stuckAfter atomic.Int64
		stuckAfter.Store(int64(time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Due{l, func() time.Duration { return time.Duration(stuckAfter.Load()) }}.Run(ctx)
		}()
		test(t, l, &stuckAfter)
		cancel()
		<-done
	})
}

func report(l *timeline.Log, id uuid.UUID, kind api.EntryKind, name, result string) {
	l.Note(id, api.BootEntry{Kind: kind, Name: name, Result: result})
}

// wantChange checks which guests change next, and after what time.
func wantChange(t *testing.T, l *timeline.Log, revision *uint64, after time.Duration, want ...uuid.UUID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	began := time.Now()
	var changed []uuid.UUID
	*revision, changed = l.Changed(ctx, *revision)
	if took := time.Since(began).Round(time.Second); !slices.Equal(changed, want) || took != after {
		t.Errorf("%v changed after %s, want %v after %s", changed, took, want, after)
	}
}

// A guest that becomes stuck is news although nothing happens, and news only once. One
// whose boot is over is none.
func TestDue(t *testing.T) {
	due(t, func(t *testing.T, l *timeline.Log, _ *atomic.Int64) {
		hangs, ready := uuid.New(), uuid.New()
		for _, id := range []uuid.UUID{hangs, ready} {
			l.Start(id, time.Now(), api.FromHook)
			report(l, id, api.EntryStage, lastStage, "")
		}
		report(l, ready, api.EntryStatus, "", api.ResultSuccess)
		revision := l.Revision()
		wantChange(t, l, &revision, time.Minute, hangs)
		wantChange(t, l, &revision, time.Hour)
	})
}

// The result of a guest whose agent never sends one is known when it has settled.
func TestDueResult(t *testing.T) {
	due(t, func(t *testing.T, l *timeline.Log, _ *atomic.Int64) {
		id := uuid.New()
		report(l, id, api.EntryStage, lastStage, "")
		report(l, id, api.EntryStage, lastStage, api.ResultSuccess)
		revision := l.Revision()
		wantChange(t, l, &revision, settle, id)
		wantChange(t, l, &revision, time.Hour)
	})
}

// Requests that the record only counts are signs of life: they put the verdict off, and
// the first one after it is news.
func TestDueWithRequests(t *testing.T) {
	due(t, func(t *testing.T, l *timeline.Log, _ *atomic.Int64) {
		id := uuid.New()
		ask := func() {
			l.Request(id, timeline.Request{At: time.Now(), Method: "GET", Path: "/latest/user-data", Status: 200})
		}
		ask()
		revision := l.Revision()
		time.Sleep(30 * time.Second)
		ask()
		wantChange(t, l, &revision, time.Minute, id)
		time.AfterFunc(10*time.Second, ask)
		wantChange(t, l, &revision, 10*time.Second, id)
		wantChange(t, l, &revision, time.Minute, id)
	})
}

// Another stuck_after counts for boots that are under way.
func TestDueAfterReload(t *testing.T) {
	due(t, func(t *testing.T, l *timeline.Log, stuckAfter *atomic.Int64) {
		id := uuid.New()
		l.Start(id, time.Now(), api.FromHook)
		time.Sleep(time.Second)
		stuckAfter.Store(int64(21 * time.Second))
		l.Wake()
		revision := l.Revision()
		wantChange(t, l, &revision, 20*time.Second, id)
	})
}
