package inventory_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storage"
)

// sharingStore is a shared store that tells of updates all the time, and makes one
// change at each commit.
type sharingStore struct {
	*sharedStore
	commit func()
}

func (s *sharingStore) Weight(instance.Change) float64 { return 1 }

func (s *sharingStore) Commit(context.Context, []instance.Change) (int64, error) {
	s.commit()
	return 0, nil
}

// A request that comes while guests are shared is next. What is left is shared in its
// own time, which is bounded.
func TestRequestsComeBeforeSharing(t *testing.T) {
	store := &sharingStore{sharedStore: newSharedStore()}
	store.changed = make(chan struct{})
	close(store.changed)
	former := newLab(t)
	for n, name := range []string{"web1", "web2", "web3", "web4"} {
		store.unshared[uid(n+1)] = storage.Unshared{Record: former.MustRegister(dom(n+1, name)).Instance}
	}
	opened, first, asked, done := make(chan *inventory.Inventory, 1), make(chan struct{}), make(chan struct{}), make(chan error)
	var inv *inventory.Inventory
	late := 0
	store.commit = func() {
		if inv == nil {
			inv = <-opened
			close(first)
			<-asked
		} else if inv.Writing() == 0 {
			late++
		}
	}
	l := labOn(t, store)
	opened <- l.Inventory
	<-first
	go func() {
		_, err := l.Register(t.Context(), dom(9, "web9"))
		done <- err
	}()
	for l.Waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(asked)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if late > 0 {
		t.Errorf("the request waited until %d further guests were shared", late)
	}
}

// However many steps it takes to share what is left, subscribers hear of it once.
func TestSharedInOneTurn(t *testing.T) {
	store := newSharedStore() // takes three at a time
	store.isAway.Store(true)
	former := newLab(t)
	for n, name := range []string{"web1", "web2", "web3", "web4"} {
		store.unshared[uid(n+1)] = storage.Unshared{Record: former.MustRegister(dom(n+1, name)).Instance}
	}
	f := &fleet{lab: labOn(t, store)}
	before := f.Snapshot().Revision()
	f.back(store)
	if after := f.Snapshot().Revision(); after != before+1 {
		t.Errorf("from revision %d to %d", before, after)
	}
	if len(store.wakes) != 4 {
		t.Errorf("%d changes", len(store.wakes))
	}
}

// slowStore is a shared store whose first commit takes its time, and counts the changes of
// each.
type slowStore struct {
	*sharedStore
	begun, end chan struct{}
	sizes      []int
}

func (s *slowStore) Commit(ctx context.Context, changes []instance.Change) (int64, error) {
	if s.sizes = append(s.sizes, len(changes)); len(s.sizes) == 1 {
		close(s.begun)
		<-s.end
	}
	return s.sharedStore.Commit(ctx, changes)
}

// Requests that wait are committed together, as many at once as the store takes.
func TestRounds(t *testing.T) {
	const waiting = 7
	store := &slowStore{sharedStore: newSharedStore(), begun: make(chan struct{}), end: make(chan struct{})} // takes three at a time
	l := labOn(t, store)
	errs := make(chan error, 1+waiting)
	register := func(n int) {
		_, err := l.Register(background(), dom(n, fmt.Sprint("web", n)))
		errs <- err
	}
	go register(0)
	<-store.begun
	for n := range waiting {
		go register(1 + n)
	}
	for l.Waiting() < waiting {
		time.Sleep(time.Millisecond)
	}
	close(store.end)
	for range 1 + waiting {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if want := []int{1, 3, 3, 1}; !slices.Equal(store.sizes, want) || l.Snapshot().Len() != 1+waiting {
		t.Errorf("%d guests by commits of %d changes, want %d", l.Snapshot().Len(), store.sizes, want)
	}
}
