// Package boltstore keeps the inventory in one file, by go.etcd.io/bbolt.
//
// The file has three buckets: "instances" (UUID → record), "resting" (address
// → record) and "meta" (text → text, among it the version of this schema and
// the store's own note of its changes). Each record is JSON with a checksum,
// see seal. Beside the file is a small one, its mark, which says that there is
// a database. One process at a time can have it open.
package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

const (
	schemaVersion = 2
	sealedSchema  = 2 // the first in which records have checksums
	schemaKey     = "schema"
	stateKey      = "state"
	fileMode      = 0o600
	// lockTimeout is how long Open waits for another process, which may be
	// about to end, to let go of the file.
	lockTimeout = 2 * time.Second
	lockRetry   = 50 * time.Millisecond
)

var (
	instancesBucket = []byte("instances")
	restingBucket   = []byte("resting")
	metaBucket      = []byte("meta")
	buckets         = [][]byte{instancesBucket, restingBucket, metaBucket}
)

var (
	// ErrInUse: another process has the file open.
	ErrInUse = errors.New("another mdserver is using it")
	// ErrDamaged: the file is no database of mdserver's, or is damaged so that
	// no guest can be served.
	ErrDamaged = errors.New("it is damaged, or not a database of mdserver")
	// ErrMissing: there was a database, and the file is gone or empty.
	ErrMissing = errors.New("the database is missing or empty")
	// ErrDisplaced: the file was removed or replaced, and cannot be put back.
	ErrDisplaced = errors.New("its file was removed or replaced, and cannot be put back")
	// ErrAltered: another program has written to the file.
	ErrAltered = errors.New("another program has written to its file")
	// errNotOpened: bbolt has panicked, as it does on a full file system.
	errNotOpened = errors.New("it cannot be opened")
	// ErrNewer: the file was written by a newer mdserver.
	ErrNewer = errors.New("it was written by a newer mdserver")
)

// Store implements storage.Store.
type Store struct {
	path string
	log  *slog.Logger

	mu     sync.RWMutex // held for writing by changes and by reopening
	db     *bbolt.DB
	file   *os.File // the one that db has open
	stamp  stamp    // of the file after the last change by this store
	state  *state
	kept   map[string]string // the notes
	mark   *os.File
	broken bool // bbolt has panicked and may hold its own locks
	// suspect: a write has failed, and the store is reopened before the next one.
	suspect bool
	opened  *content // what Open has read, until the first Load or write
}

// Open opens the database at path or creates it, readable by its owner only;
// the directory must exist. Records that are damaged are set aside in a file
// beside the database, see Asides, and a database of an older schema is
// upgraded after a copy was made of it. A file that is unusable as a whole is
// left as it is.
//
// Errors: ErrInUse, ErrDamaged, ErrMissing, ErrNewer, or that of the operating
// system.
func Open(path string, log *slog.Logger) (*Store, error) {
	s := &Store{path: path, log: log}
	if err := s.open(); err != nil {
		s.drop()
		return nil, explain(path, err)
	}
	return s, nil
}

func (s *Store) open() error {
	known, err := readMark(s.path)
	if err != nil {
		return err
	}
	created, err := s.beginning(known)
	if err != nil {
		return err
	}
	err = s.prepare(known)
	switch {
	case created && err == nil:
		s.log.Info("created the inventory", "path", s.path)
	case created:
		s.removeEmpty()
	}
	return err
}

// removeEmpty removes a new file that nothing was written to, which a later
// Open would take for a database that was emptied.
func (s *Store) removeEmpty() {
	if info, err := os.Stat(s.path); err == nil && info.Size() == 0 {
		_ = os.Remove(s.path)
	}
}

// prepare reads the file and rebuilds it from what is sound in it.
func (s *Store) prepare(known *mark) error {
	if err := s.take(); err != nil {
		return err
	}
	c, err := usable(s.file, known)
	if err != nil {
		return err
	}
	if err := s.keep(c); err != nil {
		return err
	}
	if err := s.rebuild(c); err != nil && !s.asItIs(c, err) {
		return err
	}
	s.kept, s.opened = notesOf(c), c
	s.mark, err = createMark(s.path, mark{schemaVersion, s.state.Sequence})
	return err
}

// usable reads what can be served of the file: what its pages lead to, or, if that
// is no guest, all its records, provided that they are as they were last written.
// The error is ErrDamaged if there is no guest; the content is then what else can be
// read, or nil.
func usable(file *os.File, known *mark) (*content, error) {
	c, err := scan(file)
	if err == nil {
		err = c.judge(known)
	} else {
		c = nil
	}
	if !errors.Is(err, ErrDamaged) || known == nil {
		return c, err
	}
	whole, salvageErr := salvageWhole(file, known.Sequence)
	if salvageErr != nil {
		return c, err
	}
	whole.whole = true
	whole.found(nil, nil, nil, "%v; all records were found in it as they were last written", err)
	return whole, nil
}

// judge adds what the mark knows to the findings. The error is ErrDamaged if the
// database is damaged and no guest can be read.
func (c *content) judge(known *mark) error {
	if known != nil && c.sequence < known.Sequence {
		c.found(metaBucket, nil, nil, "%s; the file was replaced by an older one, or the disk has lost them", missing(known.Sequence-c.sequence))
		c.sequence = known.Sequence
	}
	if len(c.records[string(instancesBucket)]) == 0 && c.expected != 0 {
		return c.damage()
	}
	return nil
}

// asItIs uses a sound file that could not be rebuilt, for want of room for
// instance: the guests of a full disk are served, too.
func (s *Store) asItIs(c *content, failure error) bool {
	if len(c.findings) > 0 || c.state == nil || s.sameFile() != nil || s.openFile() != nil {
		return false
	}
	s.state = c.state
	s.log.Warn("the database could not be written as a new file; the existing file is used", "path", s.path, "error", failure)
	return true
}

// beginning tells whether there is no database yet. One that is gone is no
// beginning.
func (s *Store) beginning(known *mark) (bool, error) {
	info, err := os.Stat(s.path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	case err == nil && info.Size() > 0:
		return false, nil
	case known != nil:
		return false, fmt.Errorf("%w, but %s shows that it existed", ErrMissing, markPath(s.path))
	case err == nil:
		return false, fmt.Errorf("%w", ErrMissing)
	}
	return true, nil
}

// keep copies what the rebuilt file will not have: a damaged file, or one of
// an older schema.
func (s *Store) keep(c *content) error {
	if len(c.findings) > 0 {
		return setAside(s.path, c, s.log)
	}
	if c.schema < schemaVersion {
		older := fmt.Sprintf("%s.schema%d", s.path, c.schema)
		s.log.Info("upgrading the database; a copy of the older one is kept", "path", s.path, "schema", schemaVersion, "older", older)
		return copyFile(s.path, older)
	}
	return nil
}

// take opens the file, or creates it, and locks it as bbolt does. Errors: ErrInUse,
// or those of the operating system.
func (s *Store) take() error {
	file, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	s.file = file
	if err = lock(file, syscall.LOCK_EX); err == nil {
		err = s.sameFile()
	}
	if err != nil {
		_ = letGo(file)
	}
	return err
}

// openFile has bbolt open the file that was taken. It is for files that are new or
// were found sound: bbolt trusts its file. The lock goes with the file, even when
// bbolt gives up half way.
func (s *Store) openFile() error {
	opts := &bbolt.Options{
		FreelistType: bbolt.FreelistMapType,
		OpenFile:     func(string, int, fs.FileMode) (*os.File, error) { return s.file, nil },
	}
	err := catch(func() (err error) {
		s.db, err = bbolt.Open(s.path, fileMode, opts)
		return err
	})
	if err != nil {
		s.db = nil
		_ = letGo(s.file)
		if damage := (*panicError)(nil); errors.As(err, &damage) { // the file is new, or was found sound
			return fmt.Errorf("%w: %v", errNotOpened, damage.value)
		}
		return err
	}
	s.stamp = stampOf(s.file)
	return nil
}

// sameFile checks that no other process has replaced the file while this one
// waited for its lock.
func (s *Store) sameFile() error {
	opened, err := s.file.Stat()
	if err != nil {
		return err
	}
	if now, err := os.Stat(s.path); err != nil || !os.SameFile(opened, now) {
		return ErrInUse
	}
	return nil
}

// explain turns bbolt's errors into ones that say what to do. What is neither a
// lock nor the operating system's is the file's content.
func explain(path string, err error) error {
	var system syscall.Errno
	switch {
	case errors.As(err, &system), errors.Is(err, ErrDamaged), errors.Is(err, ErrMissing), errors.Is(err, ErrNewer), errors.Is(err, ErrInUse), errors.Is(err, errNotOpened):
	default:
		err = fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return fmt.Errorf("open the inventory %s: %w", path, err)
}

// Load implements storage.Store.
func (s *Store) Load(ctx context.Context) (instance.Table, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return instance.Table{}, s.wrap("open", err)
	}
	c, err := s.content()
	if err != nil {
		s.suspect = true
		return instance.Table{}, s.wrap("read", err)
	}
	table, err := c.table(ctx)
	return table, s.wrap("read", err)
}

func (s *Store) content() (*content, error) {
	if c := s.opened; c != nil {
		s.opened = nil
		return c, nil
	}
	return soundContent(s.file)
}

// Close implements storage.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil || s.broken || s.suspect {
		s.drop()
		return s.mark.Close()
	}
	err := s.keepFile()
	if errors.Is(err, ErrAltered) {
		s.log.Warn("another program has written to the database; the next start checks it", "path", s.path)
		err = nil
	}
	return errors.Join(err, catch(s.db.Close), letGo(s.file), s.mark.Close())
}

func (s *Store) wrap(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s the inventory %s: %w", doing, s.path, err)
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

var _ storage.Store = (*Store)(nil)
