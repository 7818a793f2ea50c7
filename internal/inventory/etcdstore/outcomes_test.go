package etcdstore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

func putting(guests ...instance.Instance) []instance.Change {
	return []instance.Change{{Put: guests}}
}

// TestOutcomes checks the result of a change whose transaction fails, and of the next change.
func TestOutcomes(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse, lose etcdfake.Fault
		want         []error // the error matches each of them; nil: no error
		not          []error
		made         bool
		lost         bool // nothing reaches etcd, so it counts as lost
	}{
		"made":                                        {made: true},
		"refused by etcd":                             {refuse: on("txn", rpctypes.ErrGRPCNoSpace), want: []error{rpctypes.ErrNoSpace}, not: []error{storage.ErrAway, storage.ErrUncertain}},
		"the user has no permission":                  {refuse: on("txn", rpctypes.ErrGRPCPermissionDenied), want: []error{rpctypes.ErrPermissionDenied}, not: []error{storage.ErrAway, storage.ErrUncertain}},
		"the request is lost":                         {refuse: on("txn", errAway), want: []error{storage.ErrAway}, not: []error{storage.ErrUncertain}},
		"the answer is lost":                          {lose: on("txn", errAway), made: true},
		"the answer and the fence are lost":           {lose: on("txn", errAway), refuse: on("put", errAway), want: []error{storage.ErrUncertain, storage.ErrAway}, made: true},
		"the request and the fence are lost":          {refuse: each(on("txn", errAway), on("put", errAway)), want: []error{storage.ErrUncertain, storage.ErrAway}, lost: true},
		"the request and the fence's answer are lost": {refuse: on("txn", errAway), lose: on("put", errAway), want: []error{storage.ErrUncertain, storage.ErrAway}},
		"both answers are lost":                       {lose: each(on("txn", errAway), on("put", errAway)), want: []error{storage.ErrUncertain, storage.ErrAway}, made: true},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store := s.open()
				s.Refuse(tt.refuse)
				s.Lose(tt.lose)
				revision, err := store.Commit(t.Context(), putting(planned(1, "web")))
				if (err == nil) != (tt.want == nil) || (err == nil) != (revision > 0) {
					t.Errorf("%v at revision %d, want %v", err, revision, tt.want)
				}
				for _, want := range tt.want {
					if !errors.Is(err, want) {
						t.Errorf("%v, want %v", err, want)
					}
				}
				for _, not := range tt.not {
					if errors.Is(err, not) {
						t.Errorf("%v is %v", err, not)
					}
				}
				s.Refuse(nil)
				s.Lose(nil)
				record, written := s.at(guestKey(uid(1)))
				if made := record != ""; made != tt.made || err == nil && revision != written {
					t.Errorf("the change was made: %v, at revision %d, and %d was answered", made, written, revision)
				}
				if tt.lost {
					if _, err := store.Commit(t.Context(), putting(planned(2, "db"))); !errors.Is(err, storage.ErrAway) || store.Link() == nil || store.Away() == nil {
						t.Errorf("the next change: %v, etcd counts as lost: %v, away: %v", err, store.Link(), store.Away())
					}
				}

				time.Sleep(2 * checkEvery) // until etcd counts as found again
				synctest.Wait()
				store.Take()
				unknown := slices.Contains(tt.want, storage.ErrUncertain) // the transaction may still be on its way
				if _, err := store.Commit(t.Context(), putting(planned(2, "db"))); errors.Is(err, storage.ErrConflict) != unknown || !unknown && err != nil {
					t.Errorf("the first change after that: %v, want a conflict: %v", err, unknown)
				}
				if err := store.Apply(t.Context(), putting(planned(3, "later"))); err != nil || store.unknown {
					t.Errorf("a change after that: %v, the outcome of the one before is unknown: %v", err, store.unknown)
				}
				if got := store.mirror.guests[uid(1)].record != nil; got != tt.made {
					t.Errorf("the host knows the guest: %v", got)
				}
				if !store.Wrote(uid(3)) || store.Wrote(uid(1)) != tt.made {
					t.Error("the host does not know what it wrote")
				}
			})
		})
	}
}

// TestRefusedForCertain checks that a request counts as refused only if etcd surely did not
// make it.
func TestRefusedForCertain(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{rpctypes.ErrGRPCNoSpace, true},
		{rpctypes.ErrGRPCPermissionDenied, true},
		{rpctypes.ErrGRPCTooManyOps, true},
		{rpctypes.ErrGRPCRequestTooLarge, true},
		{rpctypes.ErrNoSpace, true},
		{rpctypes.ErrTooManyOps, true},
		{rpctypes.ErrRequestTooLarge, true},
		{rpctypes.ErrPermissionDenied, true},
		{status.Error(codes.Unauthenticated, "x"), true},
		{status.Error(codes.FailedPrecondition, "x"), true},
		{status.Error(codes.ResourceExhausted, "x"), true},
		{status.Error(codes.InvalidArgument, "x"), true},
		{errAway, false},
		{status.Error(codes.DeadlineExceeded, "x"), false},
		{status.Error(codes.Canceled, "x"), false},
		{rpctypes.ErrGRPCTimeout, false},
		{rpctypes.ErrGRPCNoLeader, false},
		{context.DeadlineExceeded, false},
		{errors.New("x"), false},
	} {
		if got := refused(tt.err); got != tt.want {
			t.Errorf("refused(%v) = %v", tt.err, got)
		}
	}
}

// TestConflictOfWriters checks that a change conflicts if the keys that it touches have
// changed, or if another server with this host's ID has written.
func TestConflictOfWriters(t *testing.T) {
	for name, meanwhile := range map[string]func(s *site){
		"the name is taken":            func(s *site) { s.put("claims/name/web", uid(9).String()) },
		"the guest has a record":       func(s *site) { s.put(guestKey(uid(1)), "{}") },
		"another server writes":        func(s *site) { s.put(writersKey+s.id(), "another") },
		"the address is in quarantine": func(s *site) { s.put(restKey(addr(1)), "{}") },
		"the address is a spare":       func(s *site) { s.put(addressClaim(addr(1)), "spare/x") },
		"the MAC address is used":      func(s *site) { s.put("claims/mac/02:00:00:00:00:01/mds", uid(9).String()) },
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store := s.open()
				meanwhile(s)
				if revision, err := store.Commit(t.Context(), putting(planned(1, "web"))); !errors.Is(err, storage.ErrConflict) || revision != 0 {
					t.Errorf("%v at revision %d", err, revision)
				}
				if store.Link() != nil {
					t.Errorf("a conflict counts as a loss of etcd: %v", store.Link())
				}
				ended, end := context.WithCancel(t.Context())
				end()
				if _, err := store.Commit(ended, putting(planned(2, "db"))); !errors.Is(err, context.Canceled) {
					t.Errorf("a change after the end of its context: %v", err)
				}
				if revision, err := store.Commit(t.Context(), nil); err != nil || revision != store.mirror.revision {
					t.Errorf("no change: %v at revision %d", err, revision)
				}
			})
		})
	}
}

// TestApplyAgain checks that Apply works a change out again after a conflict.
func TestApplyAgain(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		inner := s.Client(t.Context())
		kv := &rivalKV{KV: inner.KV}
		client := clientv3.NewCtxClient(t.Context())
		client.KV, client.Watcher = kv, inner.Watcher
		store, err := Open(t.Context(), Options{Client: client, Prefix: prefix, Cache: storetest.NewMemory(), Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		conflicts := 0
		rival := func() { conflicts++; s.put(store.writer, "another") }
		kv.first.Store(&rival)
		if err := store.Apply(t.Context(), putting(planned(1, "web"))); err != nil || conflicts != 1 || s.get(guestKey(uid(1))) == "" {
			t.Errorf("%v after %d conflicts", err, conflicts)
		}
		if table := store.mirror.table(); len(table.Instances) != 1 {
			t.Errorf("it came back before its change did: %+v", table)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}
