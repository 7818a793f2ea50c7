package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/timeline/verdict"
)

// progress waits until what was asked for changes, and returns how it is then.
func (d *Daemon) progress(ctx context.Context, q api.ProgressQuery) api.Progress {
	if q.Since == 0 {
		q.Wait = 0
	}
	guests := d.named(q.Refs)
	if q.SSH {
		defer d.trySSH(ctx, guests)()
	}
	revision, judged, changed := d.changes(ctx, q, ids(guests))
	p := api.Progress{Revision: revision, Judged: judged, Guests: []api.GuestProgress{}}
	if len(q.Refs) == 0 {
		for _, id := range changed {
			if guest, ok := d.inventory.Snapshot().ByUUID(id); ok {
				p.Guests = append(p.Guests, d.progressOf("", guest, q.Since))
			}
		}
		return p
	}
	for _, ref := range q.Refs {
		guest, _ := d.inventory.Snapshot().Find(ref)
		p.Guests = append(p.Guests, d.progressOf(ref, guest, q.Since))
	}
	return p
}

// endWith has queries return when the server stops. They would hold up its stop.
func endWith(stop context.Context, progress func(context.Context, api.ProgressQuery) api.Progress) func(context.Context, api.ProgressQuery) api.Progress {
	return func(ctx context.Context, q api.ProgressQuery) api.Progress {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		return progress(ctx, q)
	}
}

// changes waits until the boot of one of these guests changes, or of any if there are
// none, or the time alone changes the verdict on it. It returns the revision of the
// record, until when it looked, and the guests with a change.
func (d *Daemon) changes(ctx context.Context, q api.ProgressQuery, of []uuid.UUID) (revision uint64, judged time.Time, changed []uuid.UUID) {
	now := time.Now()
	if q.Judged.IsZero() || q.Judged.After(now) {
		q.Judged = now
	}
	due := d.dueVerdicts(q, of)
	ctx, cancel := context.WithDeadline(ctx, earliest(due, now.Add(q.Wait)))
	defer cancel()
	revision, changed = d.timeline.Changed(ctx, q.Since, of...)
	judged = time.Now()
	for id, at := range due {
		if !at.After(judged) && !slices.Contains(changed, id) {
			changed = append(changed, id)
		}
	}
	return revision, judged, changed
}

// dueVerdicts tells when the time alone changes the verdicts on these guests, or on all
// if there are none.
func (d *Daemon) dueVerdicts(q api.ProgressQuery, of []uuid.UUID) map[uuid.UUID]time.Time {
	if q.Since == 0 {
		return nil
	}
	stuckAfter := d.config.Load().Server.StuckAfter
	due := map[uuid.UUID]time.Time{}
	d.timeline.EachPresent(of, func(id uuid.UUID, b api.Boot) {
		if at := verdict.Next(b, q.Judged, stuckAfter); !at.IsZero() {
			due[id] = at
		}
	})
	return due
}

// earliest is the first of these times and of end.
func earliest(due map[uuid.UUID]time.Time, end time.Time) time.Time {
	for _, at := range due {
		if at.Before(end) {
			end = at
		}
	}
	return end
}

// named finds guests; nil for one that is not there.
func (d *Daemon) named(refs []string) []*instance.Instance {
	guests := make([]*instance.Instance, len(refs))
	for i, ref := range refs {
		guests[i], _ = d.inventory.Snapshot().Find(ref)
	}
	return guests
}

// ids are the UUIDs of the guests that exist. If guests are named and none exists, it
// returns a UUID that no guest has.
func ids(guests []*instance.Instance) []uuid.UUID {
	var list []uuid.UUID
	for _, guest := range guests {
		if guest != nil {
			list = append(list, guest.UUID)
		}
	}
	if len(guests) > 0 && len(list) == 0 {
		return []uuid.UUID{uuid.Max}
	}
	return list
}

func (d *Daemon) progressOf(ref string, guest *instance.Instance, since uint64) api.GuestProgress {
	p := api.GuestProgress{Ref: ref}
	if guest == nil {
		return p
	}
	brief := d.guestBrief(guest)
	p.Guest = &brief
	if p.Boot = d.presentBoot(guest); p.Boot != nil {
		p.Boot.Entries = slices.DeleteFunc(p.Boot.Entries, func(e api.BootEntry) bool { return e.Revision <= since })
	}
	return p
}
