package timeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// news tells those who wait that something has changed.
type news struct {
	revision atomic.Uint64
	woken    atomic.Uint64 // the revision of the last Wake
	mu       sync.Mutex
	changed  chan struct{} // closed at the next change; nil if no call waits
}

func (n *news) now() uint64  { return n.revision.Load() }
func (n *news) next() uint64 { return n.revision.Add(1) }

func (n *news) startAt(revision uint64) { n.revision.Store(max(n.now(), revision)) }

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
	l.news.woken.Store(l.news.next())
	l.news.publish()
}

// gathering is how long changes of all guests are gathered before they are returned, so
// that many who follow all guests cost little while many guests boot.
const gathering = 100 * time.Millisecond

func sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// Changed waits until there is a change after a revision, or ctx is done. With guests
// named, only theirs count, and a Wake; without, changes are gathered for a moment. It
// returns the present revision, and those guests whose boots have changed.
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
			sleep(ctx, gathering)
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
	l.each(of, func(id uuid.UUID, g *guest) {
		if g.revision > since {
			changed = append(changed, id)
		}
	})
	return changed
}
