package etcdstore

import (
	"context"
	"errors"
	"time"

	"mdserver/internal/inventory/storage"
)

// linkPatience is how long a change waits for etcd after it was lost: an election
// takes about a second. Later changes fail at once.
const linkPatience = 1500 * time.Millisecond

// link is whether etcd is followed.
type link struct {
	up    chan struct{} // closed while it is
	err   error         // why it is not
	since time.Time     // when it was lost
	gone  bool          // a change got no answer: later ones do not wait
}

// State is what is known of the inventory in etcd.
type State struct {
	Err      error     // why etcd is not followed; nil: it is
	Revision int64     // of etcd that this host knows the inventory of; 0: none yet
	NotSaved error     // why this host's disk lacks some of it; nil: it has all
	Current  time.Time // when etcd last answered and this host knew all of it; at first, when the store was opened
}

// State returns what is known of the inventory in etcd.
func (s *Store) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Err: s.link.err, Revision: s.revision, Current: s.current, NotSaved: s.notSaved}
}

// patience is how long a change may still wait.
func (l link) patience() time.Duration {
	if l.gone {
		return 0
	}
	return linkPatience - time.Since(l.since)
}

func newLink() link {
	return link{up: make(chan struct{}), err: errors.New("no connection yet"), since: time.Now()}
}

func (l link) isUp() bool {
	select {
	case <-l.up:
		return true
	default:
		return false
	}
}

// giveUp notes that etcd did not answer a change. Later ones do not wait, until it
// answers the one that follows it.
func (s *Store) giveUp(err error) {
	s.lost(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link.gone = true
}

// found notes that etcd is followed.
func (s *Store) found() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = time.Now()
	if !s.link.isUp() {
		close(s.link.up)
		select {
		case s.changed <- struct{}{}: // for the records that are not shared
		default:
		}
		s.log.Info("etcd answers; the inventory is up to date", "prefix", s.prefix)
	}
	s.link.err = nil
}

// lost notes that etcd is not followed any more.
func (s *Store) lost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.isUp() {
		s.link = link{up: make(chan struct{}), since: time.Now()}
	}
	if s.link.err == nil || s.link.err.Error() != err.Error() {
		s.log.Warn("etcd cannot be followed; guests are served as before, and new ones get addresses that this host has claimed beforehand", "prefix", s.prefix, "error", err)
	}
	s.link.err = err
}

// Link returns why etcd is not followed, or nil if it is.
func (s *Store) Link() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link.err
}

// awaitLink waits for etcd as long as that can help.
func (s *Store) awaitLink(ctx context.Context) error {
	s.mu.Lock()
	now := s.link
	s.mu.Unlock()
	patience := time.NewTimer(now.patience())
	defer patience.Stop()
	select {
	case <-now.up:
		if s.mirror.revision == 0 {
			return storage.ErrConflict // the table was not taken yet
		}
		return nil
	default:
	}
	select {
	case <-now.up:
		return storage.ErrConflict // with what has come meanwhile
	case <-patience.C:
	case <-ctx.Done():
	}
	err := s.Link()
	if err == nil {
		return storage.ErrConflict
	}
	return awayError(err)
}
