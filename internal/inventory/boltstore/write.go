package boltstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// Apply implements storage.Store.
func (s *Store) Apply(ctx context.Context, changes []instance.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.write(func(w *writer) error {
		for _, change := range changes {
			if err := w.guests(change); err != nil {
				return err
			}
			if err := w.resting(change); err != nil {
				return err
			}
		}
		return nil
	})
}

// writer makes changes within one transaction and keeps the tallies.
type writer struct {
	tx    *bbolt.Tx
	state *state
	notes map[string]string // all of them, if one was changed
}

func (w *writer) guests(change instance.Change) error {
	for _, id := range change.Delete {
		if err := w.remove(instancesBucket, id[:]); err != nil {
			return err
		}
	}
	for _, guest := range change.Put {
		if err := w.putRecord(instancesBucket, guest.UUID[:], guest); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) resting(change instance.Change) error {
	for _, addr := range change.Wake {
		if err := w.remove(restingBucket, addr.AsSlice()); err != nil {
			return err
		}
	}
	for _, resting := range change.Rest {
		if err := w.putRecord(restingBucket, resting.Addr.AsSlice(), resting); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) putRecord(bucket, key []byte, record any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return w.put(bucket, key, text)
}

func (w *writer) put(bucket, key, text []byte) error {
	b, sum := w.tx.Bucket(bucket), w.state.Tallies[string(bucket)]
	value := seal(bucket, key, text)
	sum.subtract(key, b.Get(key))
	sum.add(key, value)
	return b.Put(key, value)
}

func (w *writer) remove(bucket, key []byte) error {
	b, sum := w.tx.Bucket(bucket), w.state.Tallies[string(bucket)]
	sum.subtract(key, b.Get(key))
	return b.Delete(key)
}

// write makes a change durable. When the commit fails, the file is opened again
// at once and tells whether the change was made: then write succeeds, or fails
// and nothing was changed. Only if the file cannot be opened is that unknown,
// and the error is storage.ErrUncertain. No write follows until it could.
func (s *Store) write(fn func(*writer) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(); err != nil {
		return s.wrap("write", err)
	}
	s.opened = nil
	next := s.state.next()
	made := false // the transaction was made, and must be committed
	w := &writer{state: next, notes: s.kept}
	err := catch(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			w.tx = tx
			if err := fn(w); err != nil {
				return err
			}
			if err := putState(tx, next); err != nil {
				return err
			}
			made = true
			return nil
		})
	})
	err = s.named(err)
	damage := (*panicError)(nil)
	panicked := errors.As(err, &damage)
	if err == nil {
		s.state, s.kept, s.stamp = next, w.notes, stampOf(s.file)
		s.writeMark()
		return nil
	}
	if !made && !panicked {
		return s.wrap("write", err)
	}
	s.suspect, s.broken = true, panicked
	return s.wrap("write", s.decide(next, err))
}

// named gives the file its present name in an error. It was opened under that of a
// new file.
func (s *Store) named(err error) error {
	if err == nil || s.file.Name() == s.path {
		return err
	}
	return &namedError{err, s.file.Name(), s.path}
}

// namedError is an error with another name of a file. bbolt has made the text of most
// of its errors already.
type namedError struct {
	error
	former, present string
}

func (e *namedError) Error() string {
	return strings.ReplaceAll(e.error.Error(), e.former, e.present)
}

func (e *namedError) Unwrap() error { return e.error }

// ready brings the store to a state in which bbolt can write: it trusts its file,
// and could look for a key for ever in one that was damaged meanwhile.
func (s *Store) ready() error {
	if err := s.settle(); err != nil {
		return err
	}
	err := s.keepFile()
	if !errors.Is(err, ErrAltered) {
		return err
	}
	before := s.state.Sequence
	switch settled := s.settle(); { // the whole file is read
	case settled != nil:
		return fmt.Errorf("%w: %w: %w", storage.ErrUncertain, err, settled)
	case s.state.Sequence != before:
		return fmt.Errorf("%w: %w", storage.ErrUncertain, err)
	}
	return nil
}

// decide finds out whether a change whose commit failed was made.
func (s *Store) decide(next *state, failure error) error {
	before := next.Sequence - 1
	if err := s.settle(); err != nil {
		s.log.Error("a write to the database failed, and the database cannot be reopened; guests are served as before, and changes are refused until it can",
			"path", s.path, "error", failure, "reopening", err)
		return fmt.Errorf("%w: %w; reopening the database: %w", storage.ErrUncertain, failure, err)
	}
	if s.state.Sequence > before {
		s.log.Warn("a write to the database reported an error, but the database contains the change", "path", s.path, "error", failure)
		return nil
	}
	s.log.Error("a write to the database failed; the change was not made, and the database was reopened", "path", s.path, "error", failure)
	return failure
}

// settle opens the file again if a write has failed.
func (s *Store) settle() error {
	if !s.suspect {
		return nil
	}
	if err := s.reopen(); err != nil {
		return err
	}
	s.suspect = false
	s.writeMark()
	return nil
}

// writeMark brings the mark up to date. If that fails, the mark lags behind,
// which is harmless.
func (s *Store) writeMark() {
	_, err := s.mark.WriteAt(mark{schemaVersion, s.state.Sequence}.bytes(), 0)
	if err != nil {
		s.log.Warn("the database's mark was not written", "path", markPath(s.path), "error", err)
	}
}

// next is the state of the change after this one.
func (s *state) next() *state {
	n := &state{Sequence: s.Sequence + 1, Tallies: map[string]*tally{}}
	for bucket, sum := range s.Tallies {
		t := *sum
		n.Tallies[bucket] = &t
	}
	return n
}
