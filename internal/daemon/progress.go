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
	if now := time.Now(); q.Judged.IsZero() || q.Judged.After(now) {
		q.Judged = now
	}
	guests := d.named(q.Refs)
	due := d.dueVerdicts(q)
	ctx, cancel := context.WithDeadline(ctx, earliest(due, time.Now().Add(q.Wait)))
	defer cancel()
	if q.SSH {
		defer d.trySSH(ctx, guests)()
	}
	revision, changed := d.timeline.Changed(ctx, q.Since, ids(guests)...)
	p := api.Progress{Revision: revision, Judged: time.Now(), Guests: []api.GuestProgress{}}
	if len(q.Refs) > 0 {
		for _, ref := range q.Refs {
			guest, _ := d.inventory.Snapshot().Find(ref)
			p.Guests = append(p.Guests, d.progressOf(ref, guest, q.Since))
		}
		return p
	}
	for id, at := range due {
		if !at.After(p.Judged) && !slices.Contains(changed, id) {
			changed = append(changed, id)
		}
	}
	for _, id := range changed {
		if guest, ok := d.inventory.Snapshot().ByUUID(id); ok {
			p.Guests = append(p.Guests, d.progressOf("", guest, q.Since))
		}
	}
	return p
}

// dueVerdicts tells when the verdicts on the guests that a query is about change with
// the time alone.
func (d *Daemon) dueVerdicts(q api.ProgressQuery) map[uuid.UUID]time.Time {
	if q.Since == 0 {
		return nil
	}
	wanted := ids(d.named(q.Refs))
	stuckAfter := d.config.Load().Server.StuckAfter
	due := map[uuid.UUID]time.Time{}
	d.timeline.EachPresent(func(id uuid.UUID, b api.Boot) {
		if len(wanted) > 0 && !slices.Contains(wanted, id) {
			return
		}
		if at := verdict.Next(b, q.Judged, stuckAfter); !at.IsZero() {
			due[id] = at
		}
	})
	return due
}

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
