package boltstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"

	"go.etcd.io/bbolt"
)

// rebuild writes what was read into a new file and puts it in the place of the
// old one. Each database is rebuilt when it is opened, and after a failed write
// that has reached the file: a file that was written whole and synced has no
// damaged page, no wrong list of free pages, and nothing that an earlier sync
// has failed to write.
func (s *Store) rebuild(c *content) error {
	fresh := s.path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	next, err := newFile(fresh)
	if err != nil {
		return err
	}
	err = catch(func() error { return next.fill(c) })
	if err == nil {
		err = likeDatabase(s.path, fresh)
	}
	if err == nil {
		err = os.Rename(fresh, s.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err != nil {
		_ = os.Remove(fresh)
		return errors.Join(err, letGo(next.file))
	}
	s.drop()
	s.db, s.file, s.state, s.stamp = next.db, next.file, next.state, stampOf(next.file)
	return nil
}

// newFile makes a file for fill.
func newFile(path string) (*Store, error) {
	s := &Store{path: path}
	if err := s.take(); err != nil {
		return nil, err
	}
	return s, s.openFile()
}

// fill writes all records in one transaction.
func (s *Store) fill(c *content) error {
	s.state = newState()
	s.state.Sequence = c.sequence
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, bucket := range buckets {
			b, err := tx.CreateBucket(bucket)
			if err != nil {
				return err
			}
			b.FillPercent = 0.9 // the keys come in order
			sum := s.state.Tallies[string(bucket)]
			for _, r := range c.records[string(bucket)] {
				value := seal(bucket, r.key, r.text)
				if err := b.Put(r.key, value); err != nil {
					return err
				}
				sum.add(r.key, value)
			}
		}
		if err := tx.Bucket(metaBucket).Put([]byte(schemaKey), []byte(strconv.Itoa(schemaVersion))); err != nil {
			return err
		}
		return putState(tx, s.state)
	})
}

func putState(tx *bbolt.Tx, s *state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Bucket(metaBucket).Put([]byte(stateKey), seal(metaBucket, []byte(stateKey), text))
}

// drop lets go of the file before it is replaced. After a failed write bbolt's own
// Close might wait for a lock for ever, or fail.
func (s *Store) drop() {
	if s.db != nil && !s.broken {
		_ = catch(s.db.Close)
	}
	if s.file != nil {
		_ = letGo(s.file)
	}
	s.db, s.file, s.broken = nil, nil, false
}

// reopen brings the store back after a write that failed: what memory and disk
// say may differ, and bbolt's pages may be half written.
func (s *Store) reopen() error {
	s.drop()
	if info, err := os.Stat(s.path); err != nil {
		return err
	} else if info.Size() == 0 {
		return ErrMissing // it would be taken for a new database
	}
	if err := s.take(); err != nil {
		return err
	}
	c, err := soundContent(s.file)
	if err != nil {
		return err
	}
	switch {
	case c.sequence < s.state.Sequence:
		return fmt.Errorf("%w (%s)", ErrDamaged, missing(s.state.Sequence-c.sequence))
	case c.sequence > s.state.Sequence+1, c.sequence == s.state.Sequence && !reflect.DeepEqual(c.state, s.state):
		return fmt.Errorf("%w (it is another database)", ErrDamaged)
	}
	s.kept = notesOf(c)
	if c.sequence == s.state.Sequence { // the change was not made, and all before it is durable
		return s.openFile()
	}
	return s.rebuild(c)
}
