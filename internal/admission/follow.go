package admission

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Feed tells of changes of the guests, in their order.
type Feed interface {
	Next(ctx context.Context) ([]instance.Event, error)
}

// Follow closes the connections of guests that are released, or have changed so
// that their connections are no longer theirs. It starts from the guests that
// there are and returns when ctx or the feed ends.
func (d *Door) Follow(ctx context.Context, guests iter.Seq[*instance.Instance], feed Feed) {
	for guest := range guests {
		d.taps.change(nil, guest)
	}
	for {
		events, err := feed.Next(ctx)
		if err != nil {
			return
		}
		changed := make([]uuid.UUID, 0, len(events))
		for _, e := range events {
			d.taps.change(e.Old, e.New)
			if e.Old != nil {
				changed = append(changed, e.Old.UUID)
			}
		}
		d.review(d.held(changed))
	}
}

// review judges connections again and closes those that are another's now.
func (d *Door) review(conns []*conn) {
	for _, c := range conns {
		if !d.judge(&c.facts).is(c.verdict) {
			d.closed.Add(1)
			c.cut()
		}
	}
}

// held lists the connections of guests, and those of strangers, any of which may
// be a guest's by now.
func (d *Door) held(guests []uuid.UUID) []*conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := slices.Collect(maps.Keys(d.strangers))
	for _, id := range guests {
		if client := d.clients[clientKey{kind: guest, guest: id}]; client != nil {
			list = slices.AppendSeq(list, maps.Keys(client.conns))
		}
	}
	return list
}

// all lists all connections.
func (d *Door) all() []*conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*conn
	for _, client := range d.clients {
		list = slices.AppendSeq(list, maps.Keys(client.conns))
	}
	return list
}

// taps tells which guest a tap was made for.
type taps struct {
	mu     sync.RWMutex
	owners map[string]uuid.UUID
}

func (t *taps) change(before, after *instance.Instance) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before != nil {
		for _, nic := range before.Interfaces {
			if t.owners[nic.Target] == before.UUID {
				delete(t.owners, nic.Target)
			}
		}
	}
	if after != nil {
		for _, nic := range after.Interfaces {
			if nic.Target != "" {
				t.owners[nic.Target] = after.UUID
			}
		}
	}
}

// another reports whether the tap is that of another guest.
func (t *taps) another(tap string, guest *instance.Instance) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	owner, ok := t.owners[tap]
	return ok && owner != guest.UUID
}
