// Package boltstore keeps the inventory in one file, by go.etcd.io/bbolt.
//
// The file has three buckets: "instances" (UUID → JSON of the record),
// "resting" (address → JSON) and "meta" (text → text, among it the version of
// this schema). One process at a time can have it open.
package boltstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"mdserver/internal/instance"
)

const (
	schemaVersion = 1
	schemaKey     = "schema"
	fileMode      = 0o600
	// lockTimeout is how long Open waits for another process, which may be
	// about to end, to let go of the file.
	lockTimeout = 2 * time.Second
)

var (
	instancesBucket = []byte("instances")
	restingBucket   = []byte("resting")
	metaBucket      = []byte("meta")
)

var (
	// ErrInUse: another process has the file open.
	ErrInUse = errors.New("another mdserver uses it")
	// ErrDamaged: the file is no database of mdserver's, or a damaged one.
	ErrDamaged = errors.New("it is damaged, or not a database of mdserver's; move it away to start with an empty one, or restore it from a backup")
	// ErrNewer: the file was written by a newer mdserver.
	ErrNewer = errors.New("it was written by a newer mdserver")
)

// Store implements inventory.Store.
type Store struct {
	db     *bbolt.DB
	file   *os.File // the one that db has open
	path   string
	broken atomic.Pointer[panicError] // set after a panic of bbolt's
}

// Open opens the database at path or creates it, readable by its owner only;
// the directory must exist. A file that cannot be used is left as it is.
// Errors: ErrInUse, ErrDamaged, ErrNewer, or that of the operating system.
func Open(path string, log *slog.Logger) (*Store, error) {
	_, statErr := os.Stat(path)
	db, file, err := openFile(path)
	if err != nil {
		return nil, explain(path, err)
	}
	s := &Store{db: db, file: file, path: path}
	if err := s.guard(s.prepare); err != nil {
		_ = s.Close()
		return nil, err
	}
	if errors.Is(statErr, os.ErrNotExist) {
		if err := syncDir(filepath.Dir(path)); err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("open the inventory %s: %w", path, err)
		}
		log.Info("created the inventory", "path", path)
	}
	return s, nil
}

// openFile keeps hold of the file, so that its lock goes when bbolt gives up
// half way.
func openFile(path string) (db *bbolt.DB, file *os.File, err error) {
	opts := &bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, perm)
			return file, err
		},
	}
	err = catch(func() (err error) {
		db, err = bbolt.Open(path, fileMode, opts)
		return err
	})
	if err != nil && file != nil {
		_ = letGo(file)
	}
	return db, file, err
}

// explain turns bbolt's errors into ones that say what to do. What is neither a
// lock nor the operating system's is the file's content.
func explain(path string, err error) error {
	var system syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		err = ErrInUse
	case !errors.As(err, &system) && !errors.Is(err, ErrDamaged):
		err = fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return fmt.Errorf("open the inventory %s: %w", path, err)
}

// prepare makes the buckets of a new file and checks the schema of an old one.
func (s *Store) prepare() error {
	version, err := s.Meta(schemaKey)
	switch {
	case err != nil:
		return err
	case version == strconv.Itoa(schemaVersion):
		return nil
	case version == "":
		return s.initialise()
	}
	if n, err := strconv.Atoi(version); err == nil && n > schemaVersion {
		return fmt.Errorf("open the inventory %s: %w: its schema is %d, this one knows up to %d", s.path, ErrNewer, n, schemaVersion)
	}
	return fmt.Errorf("open the inventory %s: %w (schema %q)", s.path, ErrDamaged, version)
}

func (s *Store) initialise() error {
	return s.update(func(tx *bbolt.Tx) error {
		if first, _ := tx.Cursor().First(); first != nil {
			return fmt.Errorf("%w (it has the bucket %q, but no schema)", ErrDamaged, first)
		}
		for _, name := range [][]byte{instancesBucket, restingBucket, metaBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put([]byte(schemaKey), []byte(strconv.Itoa(schemaVersion)))
	})
}

// Load implements inventory.Store.
func (s *Store) Load(ctx context.Context) (instance.Table, error) {
	var table instance.Table
	err := s.view(func(tx *bbolt.Tx) error {
		var err error
		if table.Instances, err = read[instance.Instance](ctx, tx, instancesBucket); err != nil {
			return err
		}
		table.Resting, err = read[instance.Resting](ctx, tx, restingBucket)
		return err
	})
	if err != nil {
		return instance.Table{}, err
	}
	return table, nil
}

func read[T any](ctx context.Context, tx *bbolt.Tx, bucket []byte) ([]T, error) {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil, fmt.Errorf("%w (the bucket %q is missing)", ErrDamaged, bucket)
	}
	var records []T
	err := b.ForEach(func(key, value []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var record T
		if err := json.Unmarshal(value, &record); err != nil {
			return fmt.Errorf("%w (bucket %q, key %x: %w)", ErrDamaged, bucket, key, err)
		}
		records = append(records, record)
		return nil
	})
	return records, err
}

// Apply implements inventory.Store.
func (s *Store) Apply(ctx context.Context, changes []instance.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.update(func(tx *bbolt.Tx) error {
		guests, resting := tx.Bucket(instancesBucket), tx.Bucket(restingBucket)
		for _, change := range changes {
			if err := applyGuests(guests, change); err != nil {
				return err
			}
			if err := applyResting(resting, change); err != nil {
				return err
			}
		}
		return nil
	})
}

func applyGuests(b *bbolt.Bucket, change instance.Change) error {
	for _, id := range change.Delete {
		if err := b.Delete(id[:]); err != nil {
			return err
		}
	}
	for _, guest := range change.Put {
		if err := put(b, guest.UUID[:], guest); err != nil {
			return err
		}
	}
	return nil
}

func applyResting(b *bbolt.Bucket, change instance.Change) error {
	for _, addr := range change.Wake {
		if err := b.Delete(addr.AsSlice()); err != nil {
			return err
		}
	}
	for _, resting := range change.Rest {
		if err := put(b, resting.Addr.AsSlice(), resting); err != nil {
			return err
		}
	}
	return nil
}

func put(b *bbolt.Bucket, key []byte, record any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

// Meta reads a note that SetMeta left, or gives "" when there is none.
func (s *Store) Meta(key string) (string, error) {
	var value string
	err := s.view(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(metaBucket); b != nil {
			value = string(b.Get([]byte(key)))
		}
		return nil
	})
	return value, err
}

// SetMeta leaves a durable note for later runs, about an import for instance.
func (s *Store) SetMeta(key, value string) error {
	if key == schemaKey {
		return fmt.Errorf("write the inventory %s: the note %q is the store's own", s.path, key)
	}
	return s.update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte(key), []byte(value)) })
}

// Close implements inventory.Store.
func (s *Store) Close() error {
	if s.broken.Load() != nil {
		return letGo(s.file) // bbolt's own Close might wait for its lock for ever
	}
	return s.guard(s.db.Close)
}

func (s *Store) view(fn func(*bbolt.Tx) error) error {
	return s.wrap("read", s.guard(func() error { return s.db.View(fn) }))
}

func (s *Store) update(fn func(*bbolt.Tx) error) error {
	return s.wrap("write", s.guard(func() error { return s.db.Update(fn) }))
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
