package boots

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// Progress waits until what was asked for changes, and returns how it is then.
func (h *History) Progress(ctx context.Context, q api.ProgressQuery) api.Progress {
	if q.Since == 0 {
		q.Wait = 0
	}
	guests := h.named(q.Refs)
	if q.SSH {
		defer h.trySSH(ctx, guests)()
	}
	ctx, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	revision, changed := h.Record.Changed(ctx, q.Since, ids(guests)...)
	p := api.Progress{Revision: revision, Guests: []api.GuestProgress{}}
	if len(q.Refs) == 0 {
		for _, id := range changed {
			if guest, ok := h.guests().ByUUID(id); ok {
				p.Guests = append(p.Guests, h.progressOf("", guest, q.Since))
			}
		}
		return p
	}
	for _, ref := range q.Refs {
		guest, _ := h.guests().Find(ref)
		p.Guests = append(p.Guests, h.progressOf(ref, guest, q.Since))
	}
	return p
}

// named finds guests; nil for one that is not there.
func (h *History) named(refs []string) []*instance.Instance {
	guests := make([]*instance.Instance, len(refs))
	for i, ref := range refs {
		guests[i], _ = h.guests().Find(ref)
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

func (h *History) progressOf(ref string, guest *instance.Instance, since uint64) api.GuestProgress {
	p := api.GuestProgress{Ref: ref}
	if guest == nil {
		return p
	}
	p.Boot = h.present(h.Record.Whole(guest.UUID))
	brief := h.briefWith(guest, p.Boot)
	p.Guest = &brief
	if p.Boot != nil {
		p.Boot.Entries = slices.DeleteFunc(p.Boot.Entries, func(e api.BootEntry) bool { return e.Revision <= since })
	}
	return p
}
