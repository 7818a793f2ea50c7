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

// Feed returns changes of the guests, in their order.
type Feed interface {
	Next(ctx context.Context) ([]instance.Event, error)
}

// Follow closes the connections of guests that are released, or have changed so
// that their connections are no longer theirs. It starts from the guests that
// there are and returns when ctx or the feed ends.
func (d *Admission) Follow(ctx context.Context, guests iter.Seq[*instance.Instance], feed Feed) {
	for _, guest := range slices.SortedFunc(guests, older) {
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

// older orders guests by when their records changed.
func older(a, b *instance.Instance) int { return a.LastUpdate.Compare(b.LastUpdate) }

// review judges connections again and closes those that are another's now.
func (d *Admission) review(conns []*conn) {
	for _, c := range conns {
		if !d.judge(&c.facts).is(c.verdict) {
			d.closed.Add(1)
			c.cut()
		}
	}
}

// held lists the connections of guests, and those of unknown senders, which may
// have become guests since.
func (d *Admission) held(guests []uuid.UUID) []*conn {
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
func (d *Admission) all() []*conn {
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

// change takes over what a guest's record says of taps. A guest that names a tap
// for the first time has it: libvirt gives a name again once its guest has stopped,
// and a record may still name the old one.
func (t *taps) change(before, after *instance.Instance) {
	had, has := targets(before), targets(after)
	t.mu.Lock()
	defer t.mu.Unlock()
	for tap := range had {
		if !has[tap] && t.owners[tap] == before.UUID {
			delete(t.owners, tap)
		}
	}
	for tap := range has {
		if _, taken := t.owners[tap]; !taken || !had[tap] {
			t.owners[tap] = after.UUID
		}
	}
}

func targets(guest *instance.Instance) map[string]bool {
	names := map[string]bool{}
	if guest == nil {
		return names
	}
	for _, nic := range guest.Interfaces {
		if nic.Target != "" {
			names[nic.Target] = true
		}
	}
	return names
}

// another reports whether the tap is that of another guest.
func (t *taps) another(tap string, guest *instance.Instance) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	owner, ok := t.owners[tap]
	return ok && owner != guest.UUID
}
