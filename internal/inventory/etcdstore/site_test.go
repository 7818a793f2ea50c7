package etcdstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/logtest"
)

// site is an etcd in memory with stores, in a synctest bubble.
type site struct {
	*etcdfake.Etcd
	t     *testing.T
	lines logtest.Buffer
	cache *fickleCache // of the store that was opened last
}

var errAway = status.Error(codes.Unavailable, "etcd is away")

var errAny = errors.New("any error")

var errDisk = errors.New("the disk is full")

// onSite runs a test on a site.
func onSite(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &site{Etcd: etcdfake.New(), t: t}) })
}

// fickleCache is a cache that fails on demand.
type fickleCache struct {
	*storetest.Memory
	note error // what each Note fails with; nil: none fails

	mu   sync.Mutex
	full string // the key of a note that cannot be written, or all
}

// all stands for the keys of all notes, and for the records.
const all = "*"

// fill makes the cache refuse a note with errDisk; "" stands for none.
func (f *fickleCache) fill(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = key
}

func (f *fickleCache) SetNote(ctx context.Context, key, text string) error {
	f.mu.Lock()
	refused := f.full == all || f.full == key
	f.mu.Unlock()
	if refused {
		return errDisk
	}
	return f.Memory.SetNote(ctx, key, text)
}

func (f *fickleCache) Apply(ctx context.Context, changes []instance.Change) error {
	f.mu.Lock()
	refused := f.full == all
	f.mu.Unlock()
	if refused {
		return errDisk
	}
	return f.Memory.Apply(ctx, changes)
}

func (f *fickleCache) Note(ctx context.Context, key string) (string, error) {
	if f.note != nil {
		return "", f.note
	}
	return f.Memory.Note(ctx, key)
}

// open opens a store with a new cache, which the functions prepare.
func (s *site) open(prepare ...func(cache *fickleCache)) *Store {
	s.t.Helper()
	s.cache = &fickleCache{Memory: storetest.NewMemory()}
	for _, f := range prepare {
		f(s.cache)
	}
	log := slog.New(slog.NewTextHandler(&s.lines, nil))
	store, err := Open(s.t.Context(), Options{Client: s.Client(s.t.Context()), Prefix: prefix, Cache: s.cache, Log: log})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := store.Close(); err != nil {
			s.t.Error(err)
		}
	})
	synctest.Wait()
	store.Take()
	return store
}

// get returns the value of a key.
func (s *site) get(key string) string {
	s.t.Helper()
	value, _ := s.at(key)
	return value
}

// at returns the value of a key, and the revision that wrote it.
func (s *site) at(key string) (value string, revision int64) {
	s.t.Helper()
	resp, err := s.Client(s.t.Context()).Get(s.t.Context(), prefix+key)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		return "", 0
	}
	return string(resp.Kvs[0].Value), resp.Kvs[0].ModRevision
}

func (s *site) put(key, value string) {
	s.t.Helper()
	if _, err := s.Client(s.t.Context()).Put(s.t.Context(), prefix+key, value); err != nil {
		s.t.Fatal(err)
	}
}

// on returns a fault of requests of one kind.
func on(kind string, err error) etcdfake.Fault {
	return func(k, _ string) error {
		if k == kind {
			return err
		}
		return nil
	}
}

// each combines faults: the first that applies decides.
func each(faults ...etcdfake.Fault) etcdfake.Fault {
	return func(kind, key string) error {
		for _, f := range faults {
			if err := f(kind, key); err != nil {
				return err
			}
		}
		return nil
	}
}

// id returns the ID of the host whose store was opened last.
func (s *site) id() string {
	id, err := HostID(s.t.Context(), s.cache)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}
