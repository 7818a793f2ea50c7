package presence

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/libvirt/watch"
)

// lookAgain is how often to check guests that run here and belong to another host,
// which may have failed meanwhile, and guests that have not started.
const lookAgain = 5 * time.Second

// moves is what the reconciler remembers of guests that move between hosts.
type moves struct {
	mu      sync.Mutex
	strays  map[uuid.UUID]bool // they run here and belong to another host
	doubts  map[uuid.UUID]bool // what is known of them may no longer be true
	doubted chan struct{}
}

func newMoves() *moves {
	return &moves{strays: map[uuid.UUID]bool{}, doubts: map[uuid.UUID]bool{}, doubted: make(chan struct{}, 1)}
}

// setStray reports whether a guest has become a stray.
func (m *moves) setStray(id uuid.UUID, stray bool) (became bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.strays[id]
	if stray {
		m.strays[id] = true
	} else {
		delete(m.strays, id)
	}
	return stray && !before
}

func (m *moves) listStrays() []uuid.UUID {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []uuid.UUID
	for id := range m.strays {
		list = append(list, id)
	}
	return list
}

func (m *moves) doubt(ids ...uuid.UUID) {
	if len(ids) == 0 {
		return
	}
	m.mu.Lock()
	for _, id := range ids {
		m.doubts[id] = true
	}
	m.mu.Unlock()
	select {
	case m.doubted <- struct{}{}:
	default:
	}
}

// Doubted implements watch.Guests.
func (r *Reconciler) Doubted() <-chan struct{} { return r.moves.doubted }

// Doubts implements watch.Guests.
func (r *Reconciler) Doubts() []uuid.UUID {
	m := r.moves
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []uuid.UUID
	for id := range m.doubts {
		list = append(list, id)
	}
	clear(m.doubts)
	return list
}

// Contested returns the guests that run here although another host has them and runs
// them, by name.
func (r *Reconciler) Contested() []instance.Instance {
	var list []instance.Instance
	for _, id := range r.moves.listStrays() {
		if guest, ok := r.inventory.Snapshot().ByUUID(id); ok && !guest.ServedBy(r.inventory.HostID()) {
			list = append(list, *guest)
		}
	}
	slices.SortFunc(list, func(a, b instance.Instance) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// noteHome notes whether a domain is a stray.
func (r *Reconciler) noteHome(d watch.Domain, reg inventory.Registration) {
	became := r.moves.setStray(d.UUID, d.Running && !r.inventory.Has(&reg.Instance))
	if became && reg.RunsOn != "" {
		r.log.Warn("a guest runs on two hosts; the other one has it, and serves it alone",
			"guest", reg.Instance.Name, "uuid", d.UUID, "other", reg.RunsOn, "epoch", reg.Instance.Epoch)
	}
}

// followMoves finds out, until ctx ends, which domains have to be looked up again
// because of what other hosts say of them.
func (r *Reconciler) followMoves(ctx context.Context) {
	changes := r.inventory.Subscribe()
	defer changes.Close()
	for {
		events, err := changes.Next(ctx)
		if err != nil {
			return
		}
		var doubts []uuid.UUID
		for _, e := range events {
			if e.New != nil && r.doubtful(e.Old, e.New) {
				doubts = append(doubts, e.New.UUID)
			}
		}
		r.moves.doubt(doubts...)
	}
}

// doubtful reports whether a record of a guest, as it is now, does not agree with what
// is known of its domain here.
func (r *Reconciler) doubtful(before, now *instance.Instance) bool {
	running, known := r.Running(now.UUID)
	switch {
	case r.inventory.Has(now): // sent back by a host on which it did not arrive
		return now.Run == instance.Running && !running && before != nil && !r.inventory.Has(before)
	case running: // its host does not run it, and does not receive it from this one
		return now.Run == instance.NotRunning && !now.RunsOn(r.inventory.HostID())
	}
	return known && now.Presence.State == instance.Gone
}

// retry has strays looked up again, and guests that are about to start for long, until
// ctx ends.
func (r *Reconciler) retry(ctx context.Context) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	var before map[uuid.UUID]bool
	for {
		select {
		case <-again.C:
			r.moves.doubt(r.moves.listStrays()...)
			before = r.doubtStarts(before)
		case <-ctx.Done():
			return
		}
	}
}

// doubtStarts doubts guests of this host that are about to start or to arrive and were so
// already, and returns all that are. libvirt reports no start that fails early.
func (r *Reconciler) doubtStarts(before map[uuid.UUID]bool) map[uuid.UUID]bool {
	now := map[uuid.UUID]bool{}
	for guest := range r.inventory.Snapshot().All() {
		if (guest.Run == instance.Starting || guest.FromID != "") && r.inventory.Has(guest) {
			now[guest.UUID] = true
			if before[guest.UUID] {
				r.moves.doubt(guest.UUID)
			}
		}
	}
	return now
}
