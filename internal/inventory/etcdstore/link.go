package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mdserver/internal/inventory"
)

// linkPatience is how long a change waits for etcd after it was lost: an election
// takes about a second. Later changes fail at once.
const linkPatience = 1500 * time.Millisecond

// link is whether etcd is followed.
type link struct {
	up    chan struct{} // closed while it is
	err   error         // why it is not
	since time.Time     // when it was lost
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

// found notes that etcd is followed.
func (s *Store) found() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.link.isUp() {
		close(s.link.up)
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
		s.log.Warn("etcd cannot be followed; guests are served as before, and changes are refused until it can", "prefix", s.prefix, "error", err)
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
	patience := time.NewTimer(linkPatience - time.Since(now.since))
	defer patience.Stop()
	select {
	case <-now.up:
		if s.mirror.revision == 0 {
			return inventory.ErrConflict // the table was not taken yet
		}
		return nil
	default:
	}
	select {
	case <-now.up:
		return inventory.ErrConflict // with what has come meanwhile
	case <-patience.C:
	case <-ctx.Done():
	}
	err := s.Link()
	if err == nil || errors.Is(err, ErrOther) || errors.Is(err, ErrNewer) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}
