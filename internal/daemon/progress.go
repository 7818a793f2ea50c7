package daemon

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
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
	ctx, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	revision, changed := d.timeline.Changed(ctx, q.Since, ids(guests)...)
	p := api.Progress{Revision: revision, Guests: []api.GuestProgress{}}
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
	p.Boot = d.present(d.timeline.Whole(guest.UUID))
	brief := d.briefWith(guest, p.Boot)
	p.Guest = &brief
	if p.Boot != nil {
		p.Boot.Entries = slices.DeleteFunc(p.Boot.Entries, func(e api.BootEntry) bool { return e.Revision <= since })
	}
	return p
}
