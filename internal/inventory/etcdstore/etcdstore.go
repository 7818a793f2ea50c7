// Package etcdstore keeps the inventory in etcd (3.4 or newer), where several hosts
// read and write it. What this host knows of it is also in a cache on its disk, so
// that guests are served while etcd does not answer.
//
// Uniqueness comes from etcd's transactions: each name, address and so on of a guest
// has a key of its own, see keys.go, and a transaction holds only if these keys and
// the records that it changes are as they were.
package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/logging/once"
)

var (
	// ErrOther: the prefix has another inventory than the one that this host knows,
	// or none.
	ErrOther = errors.New("etcd has another inventory")
	// ErrNewer: a newer mdserver has changed the schema.
	ErrNewer = errors.New("the inventory in etcd was written by a newer mdserver")
	// ErrTooLarge: records that can only change together do not fit into one
	// transaction of etcd.
	ErrTooLarge = errors.New("the change is too large for one transaction of etcd")
)

// Notes of the cache that belong to this package.
const (
	writerNote    = "etcd/writer"    // the ID of this host
	inventoryNote = "etcd/inventory" // the ID in etcd's schema key
)

// Options are what a Store needs.
type Options struct {
	Client *clientv3.Client // the caller closes it after the store
	Prefix string           // of all keys, with a slash at its end
	Cache  storage.Store    // on this host's disk, for this prefix alone; the store closes it
	Log    *slog.Logger
	// Join is called with the guests of a cache that were never in etcd, and says how
	// they get there. After an error they do not: they are served, and etcd is not
	// followed. nil: they never get there.
	Join func(ctx context.Context, ours instance.Table) (Joining, error)
}

// Store implements storage.Shared.
type Store struct {
	client *clientv3.Client
	prefix string
	cache  storage.Store
	log    *slog.Logger
	id     string // of this host
	writer string // the key of this host below writers/

	joining func(ctx context.Context, ours instance.Table) (Joining, error)

	// Of the inventory's writer.
	mirror  *mirror
	unknown bool // the outcome of the last transaction; see fence

	spares spares

	mu      sync.Mutex
	pending []*step // that Take returns next
	link    link
	changed chan struct{}
	// For State.
	revision int64
	current  time.Time
	notSaved error

	// Of the goroutine that follows etcd.
	unsaved   unsaved
	complaint once.Complaint // of the cache
	cluster   uint64         // ID of the cluster
	unread    bool           // the last check failed; until one succeeds, a watch does not show that etcd answers

	closing chan struct{}
	done    chan struct{} // closed when the store no longer follows etcd
}

// Open makes a store of the cache, and follows etcd until ctx ends or the store is
// closed. It does not wait for etcd. Its errors are those of the cache.
func Open(ctx context.Context, opts Options) (*Store, error) {
	id, err := HostID(ctx, opts.Cache)
	if err != nil {
		return nil, fmt.Errorf("open the cache of the inventory: %w", err)
	}
	s := &Store{
		client: opts.Client, prefix: opts.Prefix, cache: opts.Cache, log: opts.Log, id: id, writer: writersKey + id,
		mirror: newMirror(id), link: newLink(), changed: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
		joining: opts.Join, current: time.Now(),
	}
	if s.joining == nil {
		s.joining = notAsked
	}
	if err := s.loadSpares(ctx); err != nil {
		return nil, fmt.Errorf("open the cache of the inventory: %w", err)
	}
	go s.run(ctx)
	return s, nil
}

// HostID identifies this host among those that share an inventory. It is chosen once,
// and kept in the cache.
func HostID(ctx context.Context, cache storage.Store) (string, error) {
	return ChooseHostID(ctx, cache, uuid.NewString())
}

// ChooseHostID is HostID with an ID for a host that has none.
func ChooseHostID(ctx context.Context, cache storage.Store, choice string) (string, error) {
	id, err := cache.Note(ctx, writerNote)
	if err == nil && id == "" {
		id, err = choice, cache.SetNote(ctx, writerNote, choice)
	}
	return id, err
}

// HostIDOf is the ID of the host with these notes, or "" if it has none.
func HostIDOf(notes map[string]string) string { return notes[writerNote] }

// Load implements storage.Reader: it returns the table of the cache, with the spare
// addresses of this host alone.
func (s *Store) Load(ctx context.Context) (instance.Table, error) {
	table, err := s.cache.Load(ctx)
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock()
	table.Spares = s.spares.usable()
	return table, err
}

// Changed implements storage.Shared.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// Take implements storage.Shared.
func (s *Store) Take() []storage.Update {
	s.mu.Lock()
	steps := s.pending
	s.pending = nil
	s.mu.Unlock()
	updates := make([]storage.Update, 0, len(steps))
	for _, step := range steps {
		s.mirror.apply(step)
		update := storage.Update{Revision: step.revision}
		if step.whole != nil {
			table := step.whole.table()
			update.Whole = &table
		} else {
			update.Change = step.change()
		}
		updates = append(updates, update)
	}
	return updates
}

// deliver saves steps in the cache and hands them to Take.
func (s *Store) deliver(ctx context.Context, steps ...*step) {
	s.save(ctx, steps...)
	s.mu.Lock()
	s.pending = append(s.pending, steps...)
	s.revision = steps[len(steps)-1].revision
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Apply implements storage.Store.
func (s *Store) Apply(ctx context.Context, changes []instance.Change) error {
	for {
		s.Take()
		revision, err := s.Commit(ctx, changes)
		for err == nil && s.mirror.revision < revision {
			err = s.awaitChange(ctx)
			s.Take()
		}
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
		if err := s.awaitChange(ctx); err != nil {
			return err
		}
	}
}

// awaitChange waits until Take may have something to return, or a moment.
func (s *Store) awaitChange(ctx context.Context) error {
	select {
	case <-s.changed:
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
	}
	return ctx.Err()
}

// SetAside implements storage.Store: the records go below aside/.
func (s *Store) SetAside(ctx context.Context, guests []instance.Instance, reasons []error) error {
	var change instance.Change
	for i, guest := range guests {
		text, err := encode(guest, guestShape, s.mirror.guests[guest.UUID].unknown, s.id)
		if err != nil {
			return err
		}
		if _, err := s.client.Put(ctx, s.prefix+asideKey+guest.UUID.String(), text); err != nil {
			return s.wrap("write", err)
		}
		change.Delete = append(change.Delete, guest.UUID)
		s.log.Error("a record is in conflict with another; it is set aside, all others are served",
			"guest", guest.Name, "uuid", guest.UUID, "reason", reasons[i], "key", s.prefix+asideKey+guest.UUID.String())
	}
	return s.Apply(ctx, []instance.Change{change})
}

// Rewrite implements storage.Store; etcd repairs itself.
func (s *Store) Rewrite(context.Context, instance.Table) error {
	return errors.New("etcd is not damaged")
}

// Close implements storage.Reader.
func (s *Store) Close() error {
	close(s.closing)
	<-s.done
	return s.cache.Close()
}

func (s *Store) wrap(doing string, err error) error {
	return fmt.Errorf("%s the inventory in etcd below %s: %w", doing, s.prefix, err)
}

var _ storage.Shared = (*Store)(nil)
