package inventory_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// faulty is a store in memory with faults that tests set.
type faulty struct {
	*storetest.Memory
	apply func(make func() error) error // nil: no fault
	load  error
	// rewritten is what Rewrite does. nil: the store cannot be rewritten.
	rewritten func()
}

func (f *faulty) Rewrite(context.Context, instance.Table) error {
	if f.rewritten == nil {
		return errDisk
	}
	f.rewritten()
	return nil
}

func (f *faulty) Apply(ctx context.Context, changes []instance.Change) error {
	commit := func() error { return f.Memory.Apply(ctx, changes) }
	if f.apply != nil {
		return f.apply(commit)
	}
	return commit()
}

func (f *faulty) Load(ctx context.Context) (instance.Table, error) {
	switch f.load {
	case nil:
	case errPanic:
		panic(f.load)
	default:
		return instance.Table{}, f.load
	}
	return f.Memory.Load(ctx)
}

var (
	errDisk  = errors.New("input/output error")
	errPanic = errors.New("a fault") // of a store that panics
)

// TestFailedWrite: whatever a failed write has left in the store, the table
// that is served agrees with it before the next change.
func TestFailedWrite(t *testing.T) {
	tests := []struct {
		name      string
		fault     func(make func() error) error
		uncertain bool
		made      bool
	}{
		{"not made", func(func() error) error { return errDisk }, false, false},
		{"unknown, and made", func(make func() error) error { return errors.Join(make(), storage.ErrUncertain) }, true, true},
		{"unknown, and not made", func(func() error) error { return storage.ErrUncertain }, true, false},
		{"a panic before", func(func() error) error { panic("before") }, true, false},
		{"a panic after", func(make func() error) error { _ = make(); panic("after") }, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := &faulty{Memory: storetest.NewMemory()}
			l := labOn(t, store)
			l.MustRegister(dom(1, "web1"))
			sub := l.Subscribe()
			defer sub.Close()

			store.apply = tt.fault
			_, err := l.Release(t.Context(), "web1")
			if !errors.Is(err, inventory.ErrStore) || errors.Is(err, storage.ErrUncertain) != tt.uncertain {
				t.Errorf("the release: %v; uncertain: want %v", err, tt.uncertain)
			}
			if _, ok := l.Snapshot().ByName("web1"); !ok {
				t.Error("readers see a release that failed")
			}
			if l.WriteFailure() == nil {
				t.Error("the failure is not known")
			}

			store.apply, store.load = nil, errDisk
			if tt.uncertain {
				if _, err := l.Register(t.Context(), dom(2, "web2")); !errors.Is(err, errDisk) || errors.Is(err, storage.ErrUncertain) {
					t.Errorf("a change while the store is unknown: %v", err)
				}
			}
			store.load = nil
			l.MustRegister(dom(3, "web3"))
			if failure := l.WriteFailure(); failure != nil {
				t.Errorf("a write was made, and its failure is known: %v", failure.Err)
			}
			if _, ok := l.Snapshot().ByName("web1"); ok == tt.made {
				t.Errorf("web1 is served: %v; its release was made: %v", ok, tt.made)
			}
			if told := releases(t, sub, "web3"); told != tt.made {
				t.Errorf("the feed told of the release: %v; it was made: %v", told, tt.made)
			}
			table, err := store.Load(t.Context())
			if err != nil || len(table.Instances) != l.Snapshot().Len() {
				t.Errorf("%d guests are stored (%v), %d served", len(table.Instances), err, l.Snapshot().Len())
			}
		})
	}
}

// TestFailureSince: of writes that fail in a row, it counts when the first one did.
func TestFailureSince(t *testing.T) {
	store := &faulty{Memory: storetest.NewMemory()}
	l := labOn(t, store)
	for range 2 {
		store.apply = func(func() error) error { return errDisk }
		first := l.Clock.Now()
		for range 3 {
			if _, err := l.Register(t.Context(), dom(1, "web1")); !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
			if failure := l.WriteFailure(); failure == nil || !failure.Since.Equal(first) || !errors.Is(failure.Err, errDisk) {
				t.Errorf("%+v, want one since %v", failure, first)
			}
			l.Clock.Advance(time.Minute)
		}
		store.apply = nil
		l.MustRegister(dom(1, "web1"))
		if failure := l.WriteFailure(); failure != nil {
			t.Errorf("a write was made after %v", failure.Err)
		}
	}
}

// TestReload: what another program has changed in the store is served, and a store
// that is damaged is written again from memory.
func TestReload(t *testing.T) {
	store := &faulty{Memory: storetest.NewMemory()}
	l := labOn(t, store)
	l.MustRegister(dom(1, "web1"))
	l.MustRegister(dom(2, "web2"))
	gone, _ := l.Snapshot().ByName("web1")
	if err := store.Memory.Apply(t.Context(), []instance.Change{{Delete: []uuid.UUID{gone.UUID}}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Snapshot().ByName("web1"); ok || l.Snapshot().Len() != 1 {
		t.Error("a guest that the store does not have is served")
	}
	store.load = errDisk
	if err := l.Reload(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("Reload of a store that cannot be read: %v", err)
	}
	store.load = errPanic
	if err := l.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "the store panicked: a fault") {
		t.Errorf("Reload of a store that panics: %v", err)
	}
	store.load, store.rewritten = errDisk, func() { store.load = nil }
	if err := l.Reload(t.Context()); err != nil || l.Snapshot().Len() != 1 {
		t.Errorf("Reload of a damaged store: %v; %d guests, want 1", err, l.Snapshot().Len())
	}
}

// releases reads the feed until a guest of this name is new, and tells whether
// a guest was released.
func releases(t *testing.T, sub *inventory.Subscription, until string) bool {
	t.Helper()
	released := false
	for {
		events, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			switch {
			case e.New == nil:
				released = true
			case e.New.Name == until:
				return released
			}
		}
	}
}
