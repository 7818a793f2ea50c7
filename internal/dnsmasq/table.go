package dnsmasq

import (
	"iter"
	"maps"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
)

// change is what a batch of events comes to.
type change struct {
	fresh []content.Entry // interfaces that dnsmasq was told nothing of before
	past  []content.Entry // what no longer holds of others, gone or changed
	next  []content.Entry // what holds of the changed ones instead
}

func (c change) none() bool { return len(c.fresh)+len(c.past) == 0 }

// added is all that is new, of new and changed guests.
func (c change) added() []content.Entry { return slices.Concat(c.fresh, c.next) }

// setTable forgets all guests but these.
func (s *Service) setTable(all []instance.Instance) {
	s.guests = make(map[uuid.UUID][]content.Entry, len(all))
	for _, guest := range all {
		s.setGuest(guest)
	}
}

// setGuest keeps a guest's entries, if it has any on this network.
func (s *Service) setGuest(guest instance.Instance) {
	var entries []content.Entry
	for i, place := range guest.AllOn(s.settings.NetName) {
		e, problems := s.settings.EntryOf(guest, place, i == 0)
		for _, problem := range problems {
			s.log.Warn("dnsmasq cannot serve a guest completely", "guest", guest.Name, "problem", problem)
		}
		if !e.Empty() {
			entries = append(entries, e)
		}
	}
	if len(entries) > 0 {
		s.guests[guest.UUID] = entries
	}
}

// take brings the table up to date and compares it with what it was before
// the whole batch: a guest that came and went in it makes no difference.
func (s *Service) take(events []instance.Event) change {
	before := map[uuid.UUID][]content.Entry{}
	var order []uuid.UUID
	remember := func(id uuid.UUID) {
		if _, seen := before[id]; !seen {
			before[id] = s.guests[id]
			order = append(order, id)
		}
	}
	for _, event := range events {
		if event.Old != nil {
			remember(event.Old.UUID)
			delete(s.guests, event.Old.UUID)
		}
		if event.New != nil {
			remember(event.New.UUID)
			s.setGuest(*event.New)
		}
	}
	var c change
	for _, id := range order {
		c.compareAll(before[id], s.guests[id])
	}
	return c
}

// compareAll compares a guest's entries, which belong together by their
// interface.
func (c *change) compareAll(before, after []content.Entry) {
	for _, was := range before {
		c.compare(was, entryFor(after, was.Lease.MAC))
	}
	for _, is := range after {
		if entryFor(before, is.Lease.MAC).Empty() {
			c.compare(content.Entry{}, is)
		}
	}
}

// entryFor is the entry of the interface with this MAC address, or the empty one.
func entryFor(entries []content.Entry, mac instance.MAC) content.Entry {
	for _, e := range entries {
		if e.Lease.MAC == mac {
			return e
		}
	}
	return content.Entry{}
}

func (c *change) compare(before, after content.Entry) {
	switch {
	case before.Same(after):
	case before.Empty():
		c.fresh = append(c.fresh, after)
	default:
		c.past = append(c.past, before)
		if !after.Empty() {
			c.next = append(c.next, after)
		}
	}
}

// leases are the IPv4 leases of all guests.
func (s *Service) leases() []content.Binding {
	var leases []content.Binding
	for e := range s.all() {
		if e.Lease.Valid() {
			leases = append(leases, e.Lease)
		}
	}
	return leases
}

// released picks the IPv4 leases that a change ends.
func (s *Service) released(c change) []content.Binding {
	if len(c.past) == 0 {
		return nil
	}
	kept := map[content.Binding]bool{}
	for _, e := range c.next {
		kept[e.Lease] = true
	}
	for _, e := range c.fresh {
		kept[e.Lease] = true
	}
	ended := map[content.Binding]bool{}
	for _, e := range c.past {
		if e.Lease.Valid() && !kept[e.Lease] {
			ended[e.Lease] = true
		}
	}
	return slices.Collect(maps.Keys(ended))
}

// all yields the entries of all guests.
func (s *Service) all() iter.Seq[content.Entry] {
	return func(yield func(content.Entry) bool) {
		for _, entries := range s.guests {
			for _, e := range entries {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func (s *Service) entries() []content.Entry { return slices.Collect(s.all()) }
