package inventory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/storage"
)

const (
	// sharedTimeout bounds a write to a shared store. The start of a guest waits for
	// it. After that, requests are worked out cut off.
	sharedTimeout = time.Second
	// shareEvery is how often records are shared that are not, and the store is not
	// away.
	shareEvery = time.Second
	// largeTimeout is the bound for a change that does not fit in one step, such as
	// an import.
	largeTimeout = time.Minute
	// maxAttempts is how often a request is worked out again.
	maxAttempts = 50
	// maxWait is the longest wait between two attempts.
	maxWait = 20 * time.Millisecond
	// sharedWakes is how many addresses end their quarantine in one change. All
	// hosts find the same ones, so more of them would only cause conflicts.
	sharedWakes = 4
)

// commitShared is commit for a shared store. Requests are worked out on the newest
// table, and once more after a conflict. If the store is away, they are worked out
// cut off.
func (inv *Inventory) commitShared(batch []*request) {
	var waiting []*request
	for _, req := range batch {
		if req.ctx.Err() == nil && req.taken.CompareAndSwap(false, true) {
			waiting = append(waiting, req)
		}
	}
	ctx, cancel := context.WithTimeout(inv.ctx, sharedTimeout)
	defer cancel()
	failure := inv.reach(ctx)
	var tried round // that may have been made
	for attempt := 1; len(waiting) > 0; attempt++ {
		inv.follow()
		if failure != nil {
			inv.cutOffAll(inv.settleTried(waiting, tried), failure)
			return
		}
		r := inv.workOut(waiting)
		err := inv.persistShared(ctx, r.changes)
		switch {
		case errors.Is(err, storage.ErrConflict) && attempt < maxAttempts && inv.awaitUpdate(ctx):
			inv.conflicts.Add(1)
			continue
		case err != nil && inv.shared.Fits(r.changes):
			failure, tried = err, r
			continue
		case err != nil:
			inv.noteWrite(err)
		}
		r.answer(err)
		waiting = waiting[len(r.answers):]
		attempt = 0
	}
}

// Conflicts is how many batches of changes were worked out again so far, because another
// host had changed what they were worked out from.
func (inv *Inventory) Conflicts() uint64 { return inv.conflicts.Load() }

// reach shares what is not shared, so that requests can be worked out on the table
// of the store. An error means that the store is away.
func (inv *Inventory) reach(ctx context.Context) error {
	if err := inv.shared.Away(); err != nil {
		return err
	}
	return inv.shareAll(ctx, func() bool { return false })
}

// Share shares what is not shared if the store is not away. It makes way for requests,
// before which all that is left is shared.
func (inv *Inventory) share() {
	if inv.shared == nil || inv.shared.Away() != nil || len(inv.queue) > 0 {
		return
	}
	if failure := inv.WriteFailure(); failure != nil && errors.Is(failure.Err, storage.ErrAway) {
		inv.noteWrite(nil)
	}
	ctx, cancel := context.WithTimeout(inv.ctx, sharedTimeout)
	defer cancel()
	if err := inv.shareAll(ctx, func() bool { return len(inv.queue) > 0 }); err != nil {
		inv.noteWrite(err)
	}
}

// persistShared commits changes and waits until they are in the settled table.
func (inv *Inventory) persistShared(ctx context.Context, changes []instance.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if !inv.shared.Fits(changes) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(inv.ctx, largeTimeout)
		defer cancel()
	}
	revision, err := inv.shared.Commit(ctx, changes)
	if err != nil {
		return err
	}
	inv.noteWrite(nil)
	for inv.revision < revision {
		select {
		case <-inv.shared.Changed():
			inv.take()
		case <-ctx.Done():
			return fmt.Errorf("%w: it was made, but has not come back from the store", storage.ErrUncertain)
		}
	}
	return nil
}

// awaitUpdate waits for what caused a conflict, and for a random time so that
// several hosts do not meet again. It reports whether ctx has not ended.
func (inv *Inventory) awaitUpdate(ctx context.Context) bool {
	wait := time.NewTimer(rand.N(maxWait))
	defer wait.Stop()
	select {
	case <-inv.shared.Changed():
		inv.take()
	case <-wait.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// updates signals updates of a shared store, and never those of another store.
func (inv *Inventory) updates() <-chan struct{} {
	if inv.shared == nil {
		return nil
	}
	return inv.shared.Changed()
}

// follow publishes the updates of a shared store.
func (inv *Inventory) follow() {
	inv.take()
	inv.refresh()
}

// take adds the updates of a shared store to the settled table. It publishes them at
// once if all is shared, and leaves that to refresh if not.
func (inv *Inventory) take() {
	for _, update := range inv.shared.Take() {
		before := inv.settled
		var err error
		if update.Whole != nil {
			inv.settled, err = rebuilt(*update.Whole)
		} else {
			inv.settled, err = before.After(update.Change)
		}
		inv.noteWrite(err) // an update also shows that the store works again
		inv.revision = update.Revision
		if inv.stale = inv.stale || len(inv.unshared) > 0; inv.stale {
			continue
		}
		if events := differencesOf(before, inv.settled, update); len(events) > 0 || update.Whole != nil || addressesDiffer(update.Change) {
			inv.publish(inv.settled, events)
		}
	}
}

// addressesDiffer reports whether a change concerns addresses that no guest has.
func addressesDiffer(c instance.Change) bool {
	return len(c.Rest)+len(c.Wake)+len(c.Hold)+len(c.Drop) > 0
}

// rebuilt makes the indices of a whole table, without records that contradict
// others. Such records are not written by inventories.
func rebuilt(table instance.Table) (*index.Index, error) {
	loaded, conflicts := index.Build(table, "")
	if len(conflicts) == 0 {
		return loaded, nil
	}
	return loaded, fmt.Errorf("the store has %d records that contradict others and are not served; the first: %w", len(conflicts), conflicts[0].Err)
}

// differencesOf gives the events of an update: guests that are gone first.
func differencesOf(before, after *index.Index, update storage.Update) []instance.Event {
	if update.Whole != nil {
		return index.Differences(before, after)
	}
	var events []instance.Event
	add := func(id uuid.UUID) {
		old, _ := before.ByUUID(id)
		guest, _ := after.ByUUID(id)
		if old != nil || guest != nil {
			events = append(events, instance.Event{Old: old, New: guest})
		}
	}
	for _, id := range update.Change.Delete {
		add(id)
	}
	for i := range update.Change.Put {
		add(update.Change.Put[i].UUID)
	}
	return events
}
