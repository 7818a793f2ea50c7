package boltstore

import "fmt"

// Keep puts the database back if its file was removed or replaced while the store
// has it open. The guests are still in the open file, but would be gone after a
// restart. A file that others have put there is kept beside it, as KeepFormer
// does. Each write does the same first; Keep is for the time between. It does not
// wait for a write.
//
// Errors: ErrInUse if another process has the other file open, ErrDamaged if the
// open file is damaged, or those of the operating system.
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
	if s.sameFile() == nil {
		return nil
	}
	if err := s.putBack(); err != nil {
		return fmt.Errorf("the file %s was removed or replaced, and cannot be put back: %w", s.path, err)
	}
	return nil
}

func (s *Store) putBack() error {
	release, err := hold(s.path)
	if err != nil {
		return err
	}
	defer release()
	c, err := scan(s.db)
	if err != nil {
		return err
	}
	if len(c.findings) > 0 {
		return fmt.Errorf("%w (%v)", ErrDamaged, c.findings[0])
	}
	former, err := KeepFormer(s.path)
	if err != nil {
		return err
	}
	if err := s.rebuild(c); err != nil {
		return err
	}
	s.log.Warn("the database was removed or replaced while the server ran, and was put back", "path", s.path, "found_instead", former)
	fresh, err := createMark(s.path, mark{schemaVersion, s.state.Sequence})
	if err != nil {
		return err
	}
	_ = s.mark.Close() // nothing is lost with it
	s.mark = fresh
	return nil
}
