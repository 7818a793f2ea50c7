package etcdstore

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// record writes the record of a guest, as another host does. It returns its revision.
func (s *site) record(guest instance.Instance) int64 {
	s.t.Helper()
	text, err := encode(guest, guestShape, nil, "other")
	if err != nil {
		s.t.Fatal(err)
	}
	s.put(guestKey(guest.UUID), text)
	_, revision := s.at(guestKey(guest.UUID))
	return revision
}

// endWatches ends all watches as a member that stops does.
func (s *site) endWatches() {
	s.EndWatches(clientv3.WatchResponse{Canceled: true, CancelReason: "the member stops"})
}

// TestTake checks that Take returns all that has come since the last time, in its order and
// once, and that a change conflicts until the first table was taken.
func TestTake(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		first := s.record(planned(1, "web"))
		store, err := Open(t.Context(), Options{Client: s.Client(t.Context()), Prefix: prefix, Cache: storetest.NewMemory(), Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		synctest.Wait()
		if _, err := store.Commit(t.Context(), putting(planned(9, "early"))); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a change before the table was taken: %v", err)
		}
		updates := store.Take()
		if len(updates) != 1 || updates[0].Whole == nil || len(updates[0].Whole.Instances) != 1 || updates[0].Revision < first {
			t.Fatalf("the table: %+v", updates)
		}

		second := s.record(planned(2, "db"))
		synctest.Wait() // it comes alone
		third := s.record(planned(3, "mail"))
		synctest.Wait()
		s.Refuse(on("watch", errAway))
		s.endWatches()
		fourth, fifth := s.record(planned(4, "late")), s.record(planned(5, "later"))
		s.Refuse(nil)
		time.Sleep(2 * checkEvery) // these come together
		synctest.Wait()
		select {
		case <-store.Changed():
		default:
			t.Error("nothing tells that there are changes")
		}
		var names []string
		for i, update := range store.Take() {
			if want := []int64{second, third, fourth, fifth}; i >= len(want) || update.Revision != want[i] || update.Whole != nil || len(update.Change.Put) != 1 {
				t.Fatalf("update %d: %+v", i, update)
			}
			names = append(names, update.Change.Put[0].Name)
		}
		if got := strings.Join(names, " "); got != "db mail late later" {
			t.Errorf("taken: %s", got)
		}
		if again := store.Take(); len(again) > 0 {
			t.Errorf("taken again: %+v", again)
		}
		if state := store.State(); state.Revision != fifth {
			t.Errorf("the revision is %d, want %d", state.Revision, fifth)
		}
		if len(store.mirror.guests) != 5 || store.mirror.revision != fifth {
			t.Errorf("the host knows %d guests at revision %d", len(store.mirror.guests), store.mirror.revision)
		}
	})
}

// TestLoss checks what a host does about the loss of etcd, and at its end.
func TestLoss(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		<-store.Changed()
		for _, reason := range []string{"no leader", "no route"} {
			s.Refuse(func(string, string) error { return status.Error(codes.Unavailable, reason) })
			s.endWatches()
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if err := store.State().Err; err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: it is said that %v", reason, err)
			}
			if !strings.Contains(s.lines.Take(), reason) {
				t.Errorf("the log does not have a new reason, %s", reason)
			}
		}
		s.Refuse(nil)
		time.Sleep(2 * maxPause)
		synctest.Wait()
		select {
		case <-store.Changed():
		default:
			t.Error("nothing tells that records can be shared again")
		}

		s.record(planned(1, "web"))
		synctest.Wait()
		s.endWatches()
		time.Sleep(maxPause / 8)
		synctest.Wait()
		if err := store.Link(); err != nil {
			t.Errorf("after a long loss and a change, a short one takes long: %v", err)
		}
	})
}

// TestHungChange checks that a change that etcd does not answer ends within the time of two
// requests, and that its outcome is unknown.
func TestHungChange(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		s.Hang(true)
		defer s.Hang(false)
		before := time.Now()
		_, err := store.Commit(t.Context(), putting(planned(1, "web")))
		if took := time.Since(before); took != 2*callTimeout || !errors.Is(err, storage.ErrUncertain) || !errors.Is(err, storage.ErrAway) {
			t.Errorf("%v after %v", err, took)
		}
		before = time.Now()
		if _, err := store.Commit(t.Context(), putting(planned(2, "db"))); !errors.Is(err, storage.ErrAway) || time.Since(before) != 0 {
			t.Errorf("the next change: %v after %v", err, time.Since(before))
		}
	})
}

// TestSavedLate checks that what the disk did not take is written at the next check, after
// a loss of etcd, and at the end.
func TestSavedLate(t *testing.T) {
	for name, then := range map[string]func(s *site, store *Store) (ended bool){
		"at the next check": func(*site, *Store) bool { time.Sleep(checkEvery); return false },
		"after a loss": func(s *site, _ *Store) bool {
			s.Refuse(func(string, string) error { return errAway })
			s.endWatches()
			return false
		},
		"at the end": func(_ *site, store *Store) bool { return store.Close() == nil },
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				cache := &fickleCache{Memory: storetest.NewMemory()}
				store, err := Open(t.Context(), Options{Client: s.Client(t.Context()), Prefix: prefix, Cache: cache, Log: quiet})
				if err != nil {
					t.Fatal(err)
				}
				ended := false
				defer func() {
					if !ended {
						_ = store.Close()
					}
				}()
				synctest.Wait()
				cache.fill(all)
				s.record(planned(1, "web"))
				spare, err := encode(instance.Spare{Addr: addr(5), Owner: store.ID()}, spareShape, nil, "")
				if err != nil {
					t.Fatal(err)
				}
				s.put(spareKey(addr(5)), spare)
				synctest.Wait()
				if err := store.State().NotSaved; !errors.Is(err, errDisk) {
					t.Errorf("on a full disk: %v", err)
				}
				cache.fill("")
				ended = then(s, store)
				synctest.Wait()
				table, err := cache.Load(t.Context())
				note, _ := cache.Note(t.Context(), storage.SparesNote)
				if err != nil || len(table.Instances) != 1 || !strings.Contains(note, addr(5).String()) {
					t.Errorf("the disk has %+v and the spare addresses %s, %v", table.Instances, note, err)
				}
				if err := store.State().NotSaved; err != nil {
					t.Errorf("it is said that %v", err)
				}
			})
		})
	}
}

// TestExchangedSpares checks that an address that one change returns and a later one claims
// again stays usable.
func TestExchangedSpares(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		held := instance.Change{Hold: []instance.Spare{{Addr: addr(1), Owner: store.ID(), Host: "kvm1"}}}
		if err := store.Apply(t.Context(), []instance.Change{held}); err != nil {
			t.Fatal(err)
		}
		s.Refuse(on("txn", errAway))
		changes := []instance.Change{{Drop: []netip.Addr{addr(1)}, Delete: []uuid.UUID{uid(1)}}, held}
		if _, err := store.Commit(t.Context(), changes); !errors.Is(err, storage.ErrAway) {
			t.Error(err)
		}
		if table, err := store.Load(t.Context()); err != nil || len(table.Spares) != 1 {
			t.Errorf("usable: %+v, %v", table.Spares, err)
		}
	})
}
