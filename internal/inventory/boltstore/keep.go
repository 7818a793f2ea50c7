package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"mdserver/internal/instance"
)

// Keep puts the database back if its file was removed or replaced while the store
// has it open. The guests are still in the open file, but would be gone after a
// restart. A file that others have put there is kept beside it, as KeepFormer
// does. Each write does the same first; Keep is for the time between. It does not
// wait for a write.
//
// Errors: ErrDisplaced if the file cannot be put back; ErrAltered if another
// program has written to it, which Load checks.
func (s *Store) Keep() error {
	if !s.mu.TryLock() {
		return nil // a write keeps the file, too
	}
	defer s.mu.Unlock()
	if s.suspect {
		return nil // the next write opens the file again
	}
	return s.keepFile()
}

func (s *Store) keepFile() error {
	if s.stamp != stampOf(s.file) {
		s.suspect = true
		return ErrAltered
	}
	if s.sameFile() == nil {
		return nil
	}
	if err := s.putBack(); err != nil {
		return fmt.Errorf("%w: %w", ErrDisplaced, err)
	}
	return nil
}

// stamp changes whenever a file is written to.
type stamp struct {
	size    int64
	written time.Time
}

// stampOf gives the zero stamp for a file that cannot be asked.
func stampOf(file *os.File) stamp {
	info, err := file.Stat()
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}

func (s *Store) putBack() error {
	release, err := hold(s.path)
	if err != nil {
		return err
	}
	defer release()
	c, err := soundContent(s.file)
	if err != nil {
		return err
	}
	former, err := s.renew(c)
	if err != nil {
		return err
	}
	s.log.Warn("the database was removed or replaced while the server ran, and was put back", "path", s.path, "found_instead", former)
	return nil
}

// Rewrite implements storage.Store.
func (s *Store) Rewrite(ctx context.Context, table instance.Table) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap("rewrite", s.rewrite(table))
}

func (s *Store) rewrite(table instance.Table) error {
	err := s.settle()
	if err == nil {
		return errNotDamaged
	}
	err = explain(s.path, err)
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.drop()
	release, err := hold(s.path)
	if err != nil {
		return err
	}
	defer release()
	c, err := contentOf(table, s.kept)
	if err != nil {
		return err
	}
	c.sequence = s.state.Sequence + 2 // the next one may have been written
	former, err := s.renew(c)
	if err != nil {
		return err
	}
	s.suspect = false
	s.log.Error("the database was damaged while the server ran, and was written again from memory", "path", s.path, "damaged", former)
	return nil
}

var errNotDamaged = errors.New("it is not damaged")

// renew puts a new file in the place of the present one, and returns the name of
// a copy of that, or "".
func (s *Store) renew(c *content) (former string, err error) {
	if former, err = KeepFormer(s.path); err != nil {
		return former, err
	}
	if err := s.rebuild(c); err != nil {
		return former, err
	}
	fresh, err := createMark(s.path, mark{schemaVersion, s.state.Sequence})
	if err != nil {
		return former, err
	}
	_ = s.mark.Close() // nothing is lost with it
	s.mark = fresh
	return former, nil
}
