package inventory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/draft"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/storage"
)

// While the shared store is away, requests are worked out cut off. What they make is
// kept on this host, laid over the table of the store, and shared later.

// cutOffAll answers requests without the shared store; failure says why.
func (inv *Inventory) cutOffAll(requests []*request, failure error) {
	refused := false
	for _, req := range requests {
		err := inv.cutOff(req, failure)
		refused = refused || errors.Is(err, ErrStore)
		req.done <- err
	}
	if refused {
		inv.noteWrite(failure)
	}
}

// cutOff works out a request and keeps its result on this host.
func (inv *Inventory) cutOff(req *request, failure error) error {
	d := draft.NewCutOff(inv.Snapshot().Index, inv.rules.Load())
	if err := req.apply(d); err != nil || d.Change.Empty() {
		return err
	}
	u, err := d.Unshared(inv.settled, inv.unshared)
	if err != nil {
		return fmt.Errorf("%w: %w; repeat it when etcd answers: %w", ErrStore, err, failure)
	}
	if err := inv.shared.Keep(inv.ctx, u); err != nil {
		return fmt.Errorf("%w: the change was not made: %w; %w", ErrStore, err, failure)
	}
	inv.unshared[u.Record.UUID] = u
	inv.publish(d.Commit(), d.Events)
	return nil
}

// inOrder are the unshared records, always in the same order.
func (inv *Inventory) inOrder() []storage.Unshared {
	return slices.SortedFunc(maps.Values(inv.unshared), func(a, b storage.Unshared) int {
		return cmp.Or(a.Record.FirstSeen.Compare(b.Record.FirstSeen), bytes.Compare(a.Record.UUID[:], b.Record.UUID[:]))
	})
}

// overlay lays the unshared records over the table of the store.
func (inv *Inventory) overlay() *index.Index {
	d := draft.NewCutOff(inv.settled, inv.rules.Load())
	for _, u := range inv.inOrder() {
		d.Share(u, inv.shared.Wrote(u.Record.UUID))
	}
	return d.Commit()
}

// refresh publishes the table with what is unshared, if it is stale.
func (inv *Inventory) refresh() {
	if !inv.stale {
		return
	}
	inv.stale = false
	before, after := inv.Snapshot().Index, inv.overlay()
	inv.publish(after, index.Differences(before, after))
}

// shareAll shares what is not shared step by step, unless it has to make way. The result
// is published once, because laying the records that are left over the table costs more
// than a step.
func (inv *Inventory) shareAll(ctx context.Context, makeWay func() bool) error {
	defer inv.refresh()
	for len(inv.unshared) > 0 && !makeWay() {
		if err := inv.shareSome(ctx); err != nil {
			return err
		}
	}
	return nil
}

// shareSome shares as many of the unshared records as fit in one step of the store, or
// none if it was changed meanwhile.
func (inv *Inventory) shareSome(ctx context.Context) error {
	inv.take()
	r := inv.workOutShares()
	err := inv.persistShared(ctx, r.changes)
	switch {
	case errors.Is(err, storage.ErrConflict) && inv.awaitUpdate(ctx):
		inv.conflicts.Add(1)
		return nil
	case err != nil:
		return err
	}
	for _, o := range r.outcomes {
		inv.settleUnshared(o)
	}
	return nil
}

// shares are unshared records that are shared at once.
type shares struct {
	outcomes []draft.Outcome
	changes  []instance.Change
}

// workOutShares takes as many unshared records as fit in one step of the store, at
// least one.
func (inv *Inventory) workOutShares() shares {
	var s shares
	weight := 0.0
	table, rules := inv.settled, inv.rules.Load()
	for _, u := range inv.inOrder() {
		d := draft.New(table, rules)
		o := d.Share(u, inv.shared.Wrote(u.Record.UUID))
		if !onlyWakes(d.Change) {
			weight += inv.shared.Weight(d.Change)
			if len(s.changes) > 0 && weight > 1 {
				break
			}
			s.changes, table = append(s.changes, d.Change), d.Commit()
		}
		s.outcomes = append(s.outcomes, o)
	}
	return s
}

// settleUnshared forgets a record that was shared, and tells what had to change.
func (inv *Inventory) settleUnshared(o draft.Outcome) {
	id := o.Guest.UUID
	if err := inv.shared.Forget(inv.ctx, id); err != nil {
		inv.log.Error("a record that is shared now cannot be removed from those that are not", "guest", o.Guest.Name, "error", err)
	}
	delete(inv.unshared, id)
	inv.stale = true
	switch {
	case o.Dropped != "":
		inv.log.Error("a guest that was registered while etcd did not answer could not be shared", "guest", o.Guest.Name, "uuid", id, "reason", o.Dropped)
		inv.refusals.Note(api.Refusal{Name: o.Guest.Name, UUID: id, State: api.Refused, Source: instance.ByLibvirt,
			Reason: "it was registered while etcd did not answer, and could not be shared: " + o.Dropped})
	case len(o.Changed) > 0:
		for _, change := range o.Changed {
			inv.log.Warn("a guest that was registered while etcd did not answer has changed", "guest", o.Guest.Name, "uuid", id, "change", change)
		}
	default:
		inv.log.Info("a guest is shared with the other hosts now", "guest", o.Guest.Name, "uuid", id)
	}
}

// loadUnshared reads what an earlier run has kept.
func (inv *Inventory) loadUnshared(ctx context.Context) error {
	inv.unshared = map[uuid.UUID]storage.Unshared{}
	list, err := inv.shared.Unshared(ctx)
	for _, u := range list {
		inv.unshared[u.Record.UUID] = u
		inv.stale = true
	}
	return err
}
