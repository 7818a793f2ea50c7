package timeline

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mdserver/internal/pace"

	"github.com/google/uuid"
)

// news tells those who wait that something has changed.
type news struct {
	revision atomic.Uint64
	woken    atomic.Uint64 // the revision of the last Wake
	mu       sync.Mutex
	first    uint64            // the revision that the record began with
	recent   [recent]uuid.UUID // the guests of the last revisions, each at its revision modulo recent
	changed  chan struct{}     // closed at the next change; nil if no call waits
}

// recent is how many changes are remembered, so that a question for the last few does
// not look at all guests.
const recent = 4096

func (n *news) now() uint64 { return n.revision.Load() }

// next makes a revision for a change of a guest, or for a Wake if it is uuid.Nil.
func (n *news) next(guest uuid.UUID) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	revision := n.now() + 1
	n.recent[revision%recent] = guest
	n.revision.Store(revision)
	return revision
}

// startAt sets the first revision to one of a former record, before any change.
func (n *news) startAt(revision uint64) {
	n.first = max(n.first, revision)
	n.revision.Store(n.first)
}

// since returns the guests that have changed after a revision, and false if that is too
// long ago.
func (n *news) since(revision uint64) (map[uuid.UUID]bool, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	if revision < n.first || now-revision > recent {
		return nil, false
	}
	guests := map[uuid.UUID]bool{}
	for r := revision + 1; r <= now; r++ {
		guests[n.recent[r%recent]] = true
	}
	delete(guests, uuid.Nil)
	return guests, true
}

// publish wakes those who wait.
func (n *news) publish() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// wait returns a channel that is closed at the next change.
func (n *news) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}

// Revision is the number of the last change.
func (l *Log) Revision() uint64 { return l.news.now() }

// Wake has all Changed return, for a change that others know of.
func (l *Log) Wake() {
	l.news.woken.Store(l.news.next(uuid.Nil))
	l.news.publish()
}

// gathering is how long changes of all guests are gathered before they are returned, so
// that many who follow all guests cost little while many guests boot.
const gathering = 100 * time.Millisecond

// Changed waits until there is a change after a revision, or ctx is done. With guests
// named, only theirs count, and a Wake; without, changes are gathered for a moment. It
// returns the present revision, and those guests whose boots, or the verdicts on them,
// have changed.
func (l *Log) Changed(ctx context.Context, since uint64, of ...uuid.UUID) (revision uint64, changed []uuid.UUID) {
	for gathered := len(of) > 0 || since == 0; ; {
		wake := l.news.wait()
		revision = l.news.now()
		if since > revision { // it is a former server's
			since = 0
		}
		if changed = l.changedSince(since, of); len(changed) > 0 || l.news.woken.Load() > since {
			if gathered {
				return revision, changed
			}
			pace.Sleep(ctx, gathering)
			gathered = true
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return revision, nil
		}
	}
}

// changedSince lists the guests, among those named if any are, that have changed.
func (l *Log) changedSince(since uint64, of []uuid.UUID) (changed []uuid.UUID) {
	if l.news.now() <= since {
		return nil
	}
	if len(of) == 0 {
		guests, known := l.news.since(since)
		if of = slices.Collect(maps.Keys(guests)); known && len(of) == 0 {
			return nil
		}
	}
	l.each(of, func(id uuid.UUID, g *guest) {
		if g.news > since {
			changed = append(changed, id)
		}
	})
	return changed
}
