// Package boots records what happens to guests, judges their boots by that, and waits
// for what becomes of them.
package boots

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/timeline"
	"mdserver/internal/timeline/archive"
	"mdserver/internal/timeline/verdict"
	"mdserver/internal/userdata/blame"
	"mdserver/internal/weighted"
)

// Options are what a History needs of the server.
type Options struct {
	Database   string // the file, which the record's is beside
	Guests     func() *inventory.Snapshot
	State      func(guest *instance.Instance) api.State // what a guest does now
	StuckAfter func() time.Duration
	Measured   func(phase api.BootPhase, took time.Duration) // is called for each phase of a boot
	Log        *slog.Logger
}

// History has the boots of all guests. Make it with Open.
type History struct {
	Record *timeline.Log // what happened

	guests     func() *inventory.Snapshot
	state      func(guest *instance.Instance) api.State
	stuckAfter func() time.Duration
	archive    *archive.Archive                // of the record; nil: it could not be opened
	mistakes   *weighted.Cache[string, string] // in user-data that guests were given, by its hash
	// banner asks the ssh server of a guest with these addresses for its first line.
	banner func(ctx context.Context, addrs []netip.Addr) (string, error)
}

// Open opens the record of boots. Without its file it is kept in memory, and guests
// are served all the same. The caller closes it.
func Open(opts Options) *History {
	h := &History{guests: opts.Guests, state: opts.State, stuckAfter: opts.StuckAfter, mistakes: weighted.New[string, string](mostMistakes, 1<<20)}
	h.banner = func(ctx context.Context, addrs []netip.Addr) (string, error) { return anyBanner(ctx, addrs, sshPort) }
	path := filepath.Join(filepath.Dir(opts.Database), "boots.db")
	kept, err := archive.Open(path, opts.Log)
	if err != nil {
		opts.Log.Error("the record of boots is kept in memory only", "path", path, "error", err)
		h.Record = newRecord(nil, opts)
		return h
	}
	h.archive = kept
	h.Record = newRecord(kept, opts)
	for _, guest := range h.Record.Guests() { // released while the file could not be written
		if _, known := h.guests().ByUUID(guest); !known {
			h.Record.Forget(guest)
		}
	}
	return h
}

func newRecord(kept timeline.Archive, opts Options) *timeline.Log {
	record := timeline.New(kept, opts.Log)
	record.Measured = opts.Measured
	return record
}

// Close closes the record's file.
func (h *History) Close() error {
	if h.archive == nil {
		return nil
	}
	return h.archive.Close()
}

// Run keeps the record, and finds the verdicts that time alone changes, until ctx ends.
func (h *History) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { h.Record.Run(ctx) })
	running.Go(func() { verdict.Due{Record: h.Record, StuckAfter: h.stuckAfter}.Run(ctx) })
	running.Wait()
}

// Of returns the boots of a guest with the verdicts on them, the oldest first.
func (h *History) Of(guest *instance.Instance) ([]api.Boot, error) {
	all, err := h.Record.Boots(guest.UUID)
	for i := range all {
		h.judge(&all[i])
	}
	return all, err
}

// Present returns the last boot of a guest, nil if none is on record, with the entries
// that its verdict depends on. Its verdict is off if it has ended and did not fail.
func (h *History) Present(guest *instance.Instance) *api.Boot {
	return h.present(h.Record.Present(guest.UUID))
}

func (h *History) present(b api.Boot, known bool) *api.Boot {
	if !known {
		return nil
	}
	h.judge(&b)
	if v := &b.Verdict; isOver(&b) {
		v.Reason, v.State, v.Since = "it was "+string(v.State)+" before", api.BootOff, *b.Ended
	}
	return &b
}

// State returns the state of a guest's present boot. It looks for nothing to
// blame, and reads no template.
func (h *History) State(guest *instance.Instance) api.BootState {
	b, ok := h.Record.Present(guest.UUID)
	if !ok {
		return api.BootUnknown
	}
	h.judgeState(&b)
	if isOver(&b) {
		return api.BootOff
	}
	return b.Verdict.State
}

// isOver reports whether a boot has ended after it was up.
func isOver(b *api.Boot) bool {
	return b.Ended != nil && (b.Verdict.State == api.Ready || b.Verdict.State == api.Degraded)
}

// blamable are the states of boots that a line of a template may be to blame for.
var blamable = []api.BootState{api.Failed, api.Degraded, api.Stuck}

// judge adds the verdict to a boot, with the line of a template that is to blame.
func (h *History) judge(b *api.Boot) {
	h.judgeState(b)
	if v := &b.Verdict; v.Template == nil && slices.Contains(blamable, v.State) {
		v.Template = h.blame(b)
	}
}

// judgeState adds the verdict to a boot.
func (h *History) judgeState(b *api.Boot) {
	b.Verdict = verdict.Of(*b, time.Now(), h.stuckAfter())
	if b.Verdict.State == api.Ready {
		h.checkIgnored(&b.Verdict, b.Userdata)
	}
	b.Reached.Ready = nil
	if b.Verdict.State == api.Ready {
		b.Reached.Ready = &b.Verdict.Since
	}
}

// mostMistakes bounds the user-data whose check is remembered.
const mostMistakes = 16384

// checkIgnored makes the verdict on a boot degraded if cloud-init ignored the
// user-data with this hash. Older releases do not report that.
func (h *History) checkIgnored(v *api.Verdict, hash string) {
	mistake, known := h.mistakes.Get(hash)
	if !known {
		body, err := h.Record.Content(hash)
		if err != nil || body == nil {
			return
		}
		mistake = blame.Mistake(body)
		h.mistakes.Add(hash, mistake, int64(len(hash)+len(mistake)))
	}
	if mistake != "" {
		v.State, v.Error, v.Reason = api.Degraded, mistake, "cloud-init ignored the user-data: "+mistake
	}
}

// blame finds the line of the template that made a boot fail, nil if none is known.
func (h *History) blame(b *api.Boot) *api.TemplateLine {
	body, err := h.Record.Content(b.Userdata)
	if err != nil || body == nil {
		return nil
	}
	return blame.Line(b.Template, body, b.Verdict.Module, b.Verdict.Error)
}

// Brief is a guest as it is listed.
func (h *History) Brief(guest *instance.Instance) api.Guest {
	return h.briefWith(guest, h.Present(guest))
}

func (h *History) briefWith(guest *instance.Instance, boot *api.Boot) api.Guest {
	g := api.Guest{Instance: guest.WithoutSecrets(), State: h.state(guest)}
	if boot != nil {
		brief := boot.Brief()
		g.Boot = &brief
	}
	return g
}
