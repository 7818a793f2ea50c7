package daemon

import (
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/timeline"
)

// Who asks for all guests hears of one that becomes stuck, although nothing happens,
// and of no other.
func TestDueVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Daemon{timeline: timeline.New(nil, slog.New(slog.NewTextHandler(io.Discard, nil)))}
		cfg := &config.Config{}
		cfg.Server.StuckAfter = time.Minute
		d.config.Store(cfg)
		hangs, ready, began := uuid.New(), uuid.New(), time.Now()
		for _, id := range []uuid.UUID{hangs, ready} {
			d.timeline.Start(id, began, api.FromHook)
			d.timeline.Note(id, api.BootEntry{Kind: api.EntryStage, Name: "modules-final"})
		}
		d.timeline.Note(ready, api.BootEntry{Kind: api.EntryStatus, Result: api.ResultSuccess})

		since, judged := d.timeline.Revision(), time.Now()
		_, now, changed := d.changes(t.Context(), api.ProgressQuery{Since: since, Judged: judged, Wait: time.Hour}, nil)
		if len(changed) != 1 || changed[0] != hangs || now.Sub(began) != time.Minute {
			t.Errorf("%v changed after %s, want %s after a minute", changed, now.Sub(began), hangs)
		}

		// A question that comes later than the change is answered at once, and only once.
		time.Sleep(time.Second)
		_, now, changed = d.changes(t.Context(), api.ProgressQuery{Since: since, Judged: judged, Wait: time.Hour}, nil)
		if len(changed) != 1 || now.Sub(began) != time.Minute+time.Second {
			t.Errorf("asked a second later: %v changed after %s", changed, now.Sub(began))
		}
		_, after, changed := d.changes(t.Context(), api.ProgressQuery{Since: since, Judged: now, Wait: time.Hour}, nil)
		if len(changed) != 0 || after.Sub(now) != time.Hour {
			t.Errorf("asked again: %v changed after %s", changed, after.Sub(now))
		}
	})
}
