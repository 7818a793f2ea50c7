package timeline

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// news tells those who wait that something has changed.
type news struct {
	revision atomic.Uint64
	mu       sync.Mutex
	changed  chan struct{} // closed at the next change; nil: nobody waits
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

// Wake ends the waiting of all Changes, for a change that others know of.
func (l *Log) Wake() {
	l.news.next()
	l.news.publish()
}

// Changed waits until there is a change after a revision, or ctx is done. It returns
// the present revision, and the guests whose present boot has changed since; both
// are valid if ctx is done, too.
func (l *Log) Changed(ctx context.Context, since uint64) (revision uint64, guests []uuid.UUID) {
	for {
		wake := l.news.wait()
		if revision = l.news.now(); revision != since { // it may be of a former server
			break
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return revision, nil
		}
	}
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for id, g := range s.guests {
			if g.revision > since || since > revision {
				guests = append(guests, id)
			}
		}
		s.mu.Unlock()
	}
	return revision, guests
}
