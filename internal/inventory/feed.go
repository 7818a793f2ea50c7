package inventory

import (
	"context"
	"sync"
	"sync/atomic"

	"mdserver/internal/instance"
)

// The feed is a linked list that the writer appends to and every subscriber walks
// on its own: a slow subscriber does not delay others and loses nothing, and the
// garbage collector removes what all have read.

// entry is filled in by the writer and then closed; before that its readers
// wait for ready.
type entry struct {
	ready  chan struct{}
	before *Snapshot // the inventory just before events
	after  *Snapshot
	events []instance.Event
	next   *entry
}

func newEntry(before *Snapshot) *entry {
	return &entry{ready: make(chan struct{}), before: before}
}

// feed is the writer's end. Only the writer publishes.
type feed struct {
	tail atomic.Pointer[entry]
	done chan struct{} // closed after the last entry
}

func newFeed(start *Snapshot) *feed {
	f := &feed{done: make(chan struct{})}
	f.tail.Store(newEntry(start))
	return f
}

func (f *feed) publish(after *Snapshot, events []instance.Event) {
	last := f.tail.Load()
	last.after, last.events, last.next = after, events, newEntry(after)
	f.tail.Store(last.next)
	close(last.ready)
}

// Subscription follows the inventory's changes. Next and Revision are for one
// goroutine; Close may be called from any.
type Subscription struct {
	feed     *feed
	at       *entry
	start    *Snapshot
	revision uint64
	closed   chan struct{}
	once     sync.Once
}

func (f *feed) subscribe() *Subscription {
	at := f.tail.Load()
	return &Subscription{feed: f, at: at, start: at.before, revision: at.before.revision, closed: make(chan struct{})}
}

// Start is the inventory before the first event. Use it before the first Next,
// which releases it.
func (s *Subscription) Start() *Snapshot { return s.start }

// Revision is the revision of the inventory after the events that Next
// returned last.
func (s *Subscription) Revision() uint64 { return s.revision }

// Next waits for changes and returns all there are, in the order in which they
// were made. A change without events, such as the first table of a shared store, gives
// an empty list. It returns ErrClosed when the subscription was closed, or when
// the inventory was and every event has been returned.
func (s *Subscription) Next(ctx context.Context) ([]instance.Event, error) {
	s.start = nil
	if events := s.take(); events != nil {
		return events, nil
	}
	select {
	case <-s.at.ready:
	case <-s.feed.done:
	case <-s.closed:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if events := s.take(); events != nil {
		return events, nil
	}
	return nil, ErrClosed
}

// take returns what is there without waiting, or nil.
func (s *Subscription) take() []instance.Event {
	var events []instance.Event
	for {
		select {
		case <-s.closed:
			return nil
		default:
		}
		select {
		case <-s.at.ready:
			if events == nil {
				events = []instance.Event{}
			}
			events = append(events, s.at.events...)
			s.revision = s.at.after.revision
			s.at = s.at.next
		default:
			return events
		}
	}
}

// Close ends the subscription; a waiting Next returns ErrClosed.
func (s *Subscription) Close() { s.once.Do(func() { close(s.closed) }) }
