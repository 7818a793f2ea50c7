package inventory

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/draft"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/storage"
)

var (
	// ErrStore: the change could not be made durable and was not made; over HTTP 503.
	// With storage.ErrUncertain, it may have been made.
	ErrStore = errors.New("inventory not written")
	// ErrClosed: the inventory is shutting down; over HTTP 503.
	ErrClosed = errors.New("inventory closed")
)

// maxBatch is how many requests share one write to the store. It bounds how
// long the first of them waits.
const maxBatch = 256

// request is one write on its way through the writer.
type request struct {
	ctx   context.Context
	apply func(*draft.Draft) error
	taken atomic.Bool // by the writer, or by its caller who gave up
	done  chan error  // one answer, buffered
}

// submit hands a request to the writer and waits for the answer. When it
// returns an error, nothing was changed.
func (inv *Inventory) submit(ctx context.Context, apply func(*draft.Draft) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	req := &request{ctx: ctx, apply: apply, done: make(chan error, 1)}
	select {
	case inv.queue <- req:
	case <-ctx.Done():
		return ctx.Err()
	case <-inv.closing:
		return ErrClosed
	}
	select {
	case err := <-req.done:
		return err
	case <-ctx.Done():
		return req.giveUp(ctx.Err())
	case <-inv.done:
		return req.giveUp(ErrClosed)
	}
}

// giveUp takes the request back, or waits for the answer if it is too late for
// that: the writer is about to make it durable.
func (r *request) giveUp(err error) error {
	if r.taken.CompareAndSwap(false, true) {
		return err
	}
	return <-r.done
}

// write is the writer: the one goroutine that changes the inventory.
func (inv *Inventory) write() {
	defer close(inv.done)
	defer close(inv.feed.done)
	var retry <-chan time.Time // of a shared store alone
	if inv.shared != nil {
		ticker := time.NewTicker(shareEvery)
		defer ticker.Stop()
		retry = ticker.C
	}
	for {
		select {
		case <-inv.closing:
			return
		case first := <-inv.queue:
			began := time.Now()
			inv.writing.Store(&began)
			if batch := inv.gather(first); inv.shared != nil {
				inv.commitShared(batch)
			} else {
				inv.commit(batch)
			}
			inv.writing.Store(nil)
		case <-inv.updates():
			inv.follow()
			inv.share()
		case <-retry:
			inv.share()
		}
	}
}

// gather takes as many requests as wait already.
func (inv *Inventory) gather(first *request) []*request {
	batch := []*request{first}
	for len(batch) < maxBatch {
		select {
		case next := <-inv.queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// commit applies a batch, makes it durable with one write, publishes it, and
// answers.
func (inv *Inventory) commit(batch []*request) {
	type answer struct {
		req *request
		err error
	}
	if err := inv.settle(); err != nil {
		inv.noteWrite(err)
		for _, req := range batch {
			if req.taken.CompareAndSwap(false, true) {
				req.done <- fmt.Errorf("%w: the change was not made: %w", ErrStore, err)
			}
		}
		return
	}
	var (
		answers []answer
		changes []instance.Change
		events  []instance.Event
		rules   = inv.rules.Load()
		table   = inv.Snapshot().Index
	)
	for _, req := range batch {
		if req.ctx.Err() != nil || !req.taken.CompareAndSwap(false, true) {
			continue // the caller has gone, or is about to notice
		}
		d := draft.New(table, rules)
		err := req.apply(d)
		if err == nil {
			table = d.Commit()
			changes = appendChange(changes, d.Change)
			events = append(events, d.Events...)
		}
		answers = append(answers, answer{req, err})
	}
	failure := inv.persist(changes)
	if failure == nil && len(changes) > 0 {
		inv.publish(table, events)
	}
	for _, a := range answers {
		if failure != nil {
			a.err = failure
		}
		a.req.done <- a.err
	}
}

func appendChange(changes []instance.Change, c instance.Change) []instance.Change {
	if c.Empty() {
		return changes
	}
	return append(changes, c)
}

// persist writes the changes to the store. Its context is the inventory's own:
// a batch is many callers' work, and none of them may abort it.
func (inv *Inventory) persist(changes []instance.Change) error {
	if len(changes) == 0 {
		return nil
	}
	err := inv.apply(changes)
	inv.noteWrite(err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrUncertain):
		inv.uncertain = true
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return fmt.Errorf("%w: the change was not made: %w", ErrStore, err)
}

// apply takes a store that panics for one that does not know what it has done.
func (inv *Inventory) apply(changes []instance.Change) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("%w: the store panicked: %v", storage.ErrUncertain, value)
		}
	}()
	return inv.store.Apply(inv.ctx, changes)
}

// settle loads the table again after a write with an unknown outcome. Until then
// readers have the table before that write. A store that was damaged in the
// meantime is rewritten with that table.
func (inv *Inventory) settle() (err error) {
	if !inv.uncertain {
		return nil
	}
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("the store panicked: %v", value)
		}
	}()
	r := inv.rules.Load()
	table, err := read(inv.ctx, inv.store, r)
	if err != nil && inv.store.Rewrite(inv.ctx, inv.Snapshot().Table()) == nil {
		table, err = read(inv.ctx, inv.store, r)
	}
	if err != nil {
		return fmt.Errorf("load the inventory: %w", err)
	}
	loaded, conflicts := index.Build(table, r.Primary())
	if len(conflicts) > 0 {
		return fmt.Errorf("load the inventory: %w", conflicts[0].Err)
	}
	inv.uncertain = false
	inv.noteWrite(nil)
	if events := index.Differences(inv.Snapshot().Index, loaded); len(events) > 0 {
		inv.publish(loaded, events)
	}
	return nil
}

// publish makes a table the present one and feeds the subscribers.
func (inv *Inventory) publish(table *index.Index, events []instance.Event) {
	next := &Snapshot{Index: table, revision: inv.Snapshot().revision + 1}
	inv.snapshot.Store(next)
	inv.feed.publish(next, events)
}
