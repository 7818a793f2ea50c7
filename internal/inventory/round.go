package inventory

import (
	"fmt"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/draft"
)

// round is what is committed to a shared store at once.
type round struct {
	answers []answer
	changes []instance.Change
}

// answer is what a request gets if the round is committed.
type answer struct {
	req     *request
	err     error
	change  instance.Change // that the request makes
	depends bool            // on a change of this round
}

// workOut applies requests one after the other, as many as fit in one step of the
// store. The first one is always taken.
func (inv *Inventory) workOut(waiting []*request) round {
	var r round
	weight := 0.0
	rules, table := inv.rules.Load(), inv.Snapshot().Index
	for _, req := range waiting {
		d := draft.New(table, rules)
		err := req.apply(d)
		if err != nil {
			r.answers = append(r.answers, answer{req: req, err: err, depends: len(r.changes) > 0})
			continue
		}
		if onlyWakes(d.Change) { // they can wait for a change that is asked for
			d.Change.Wake = nil
		}
		if !d.Change.Empty() {
			weight += inv.shared.Weight(d.Change)
			if len(r.changes) > 0 && weight > 1 {
				break
			}
			r.changes, table = append(r.changes, d.Change), d.Commit()
		}
		r.answers = append(r.answers, answer{req: req, change: d.Change, depends: len(r.changes) > 0})
	}
	return r
}

func onlyWakes(c instance.Change) bool {
	c.Wake = nil
	return c.Empty()
}

// settleTried answers those of the waiting requests whose change was made although the
// round failed, and returns the others: repeated, a release that was made would find no
// guest.
func (inv *Inventory) settleTried(waiting []*request, tried round) (left []*request) {
	for i, req := range waiting {
		if i < len(tried.answers) && inv.made(tried.answers[i].change) {
			req.done <- nil
			continue
		}
		left = append(left, req)
	}
	return left
}

// made reports whether the table of the store has a change of this host. For a guest that
// was to be removed, it is enough that it is gone.
func (inv *Inventory) made(c instance.Change) bool {
	for i := range c.Put {
		guest, ok := inv.settled.ByUUID(c.Put[i].UUID)
		if !ok || !draft.SameButTime(*guest, c.Put[i]) || !inv.shared.Wrote(guest.UUID) {
			return false
		}
	}
	for _, id := range c.Delete {
		if _, ok := inv.settled.ByUUID(id); ok {
			return false
		}
	}
	return len(c.Put)+len(c.Delete) > 0
}

// answer answers the requests of a round.
func (r round) answer(failure error) {
	for _, a := range r.answers {
		if a.depends && failure != nil {
			a.err = fmt.Errorf("%w: %w", ErrStore, failure)
		}
		a.req.done <- a.err
	}
}
