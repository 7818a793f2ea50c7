package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
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

// site is an etcd with stores, in a bubble of time.
type site struct {
	*etcdfake.Etcd
	t     *testing.T
	lines strings.Builder
	cache *fickleCache // of the store that was opened last
}

// onSite runs a test on a site.
func onSite(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &site{Etcd: etcdfake.New(), t: t}) })
}

// fickleCache is a cache that fails as told.
type fickleCache struct {
	*storetest.Memory
	setNote func(key, text string) error
	note    error
}

func (f *fickleCache) SetNote(ctx context.Context, key, text string) error {
	if f.setNote != nil {
		if err := f.setNote(key, text); err != nil {
			return err
		}
	}
	return f.Memory.SetNote(ctx, key, text)
}

func (f *fickleCache) Note(ctx context.Context, key string) (string, error) {
	if f.note != nil {
		return "", f.note
	}
	return f.Memory.Note(ctx, key)
}

// open opens a store, with a cache of its own that functions prepare.
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

// get is the value of a key.
func (s *site) get(key string) string {
	s.t.Helper()
	resp, err := s.Client(s.t.Context()).Get(s.t.Context(), prefix+key)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		return ""
	}
	return string(resp.Kvs[0].Value)
}

func (s *site) put(key, value string) {
	s.t.Helper()
	if _, err := s.Client(s.t.Context()).Put(s.t.Context(), prefix+key, value); err != nil {
		s.t.Fatal(err)
	}
}

// on is a fault of requests of a kind.
func on(kind string, err error) etcdfake.Fault {
	return func(k, _ string) error {
		if k == kind {
			return err
		}
		return nil
	}
}

// each is the first fault that applies.
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

var errAway = status.Error(codes.Unavailable, "etcd is away")

func putting(guests ...instance.Instance) []instance.Change {
	return []instance.Change{{Put: guests}}
}

// TestOutcomes: what becomes of a change whose transaction fails, and of the next one.
func TestOutcomes(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse, lose etcdfake.Fault
		want         []error // what the error is; nil: the change was made
		not          []error
		made         bool
		lost         bool // nothing reaches etcd, so it counts as lost
	}{
		"made":                          {made: true},
		"refused by etcd":               {refuse: on("txn", rpctypes.ErrGRPCNoSpace), want: []error{rpctypes.ErrNoSpace}, not: []error{storage.ErrAway, storage.ErrUncertain}},
		"etcd refuses the user's right": {refuse: on("txn", rpctypes.ErrGRPCPermissionDenied), want: []error{rpctypes.ErrPermissionDenied}, not: []error{storage.ErrAway, storage.ErrUncertain}},
		"the request is lost":           {refuse: on("txn", errAway), want: []error{storage.ErrAway}, not: []error{storage.ErrUncertain}},
		"the answer is lost":            {lose: on("txn", errAway), made: true},
		"the answer, and the fence":     {lose: on("txn", errAway), refuse: on("put", errAway), want: []error{storage.ErrUncertain, storage.ErrAway}, made: true},
		"the request, and the fence":    {refuse: each(on("txn", errAway), on("put", errAway)), want: []error{storage.ErrUncertain, storage.ErrAway}, lost: true},
		"the fence without its answer":  {refuse: on("txn", errAway), lose: on("put", errAway), want: []error{storage.ErrUncertain, storage.ErrAway}},
		"the answer, and the fence's":   {lose: each(on("txn", errAway), on("put", errAway)), want: []error{storage.ErrUncertain, storage.ErrAway}, made: true},
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
				if made := s.get(guestKey(uid(1))) != ""; made != tt.made {
					t.Errorf("it was made: %v", made)
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

// TestRefusedForCertain: only what etcd has surely not done is taken for refused.
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
			t.Errorf("%v is refused: %v", tt.err, got)
		}
	}
}

// TestConflictOfWriters: a change holds only if what it touches is as it was, and if no
// other server with this host's ID has written.
func TestConflictOfWriters(t *testing.T) {
	for name, meanwhile := range map[string]func(s *site){
		"the name is taken":       func(s *site) { s.put("claims/name/web", uid(9).String()) },
		"a record of the same":    func(s *site) { s.put(guestKey(uid(1)), "{}") },
		"another with this ID":    func(s *site) { s.put(writersKey+s.id(), "another") },
		"the address rests":       func(s *site) { s.put(restKey(addr(1)), "{}") },
		"the address is a spare":  func(s *site) { s.put(addressClaim(addr(1)), "spare/x") },
		"the MAC address is used": func(s *site) { s.put("claims/mac/02:00:00:00:00:01/mds", uid(9).String()) },
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store := s.open()
				meanwhile(s)
				if revision, err := store.Commit(t.Context(), putting(planned(1, "web"))); !errors.Is(err, storage.ErrConflict) || revision != 0 {
					t.Errorf("%v at revision %d", err, revision)
				}
				if store.Link() != nil {
					t.Errorf("a conflict is no loss of etcd: %v", store.Link())
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

// id is the ID of the host of the last store.
func (s *site) id() string {
	id, err := HostID(s.t.Context(), s.cache)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// TestPatience: a change waits for etcd for a while after it was lost, and the later ones
// do not, until etcd answers.
func TestPatience(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		took := func(what string, want time.Duration, wantErr error) {
			t.Helper()
			before := time.Now()
			_, err := store.Commit(t.Context(), putting(planned(1, "web")))
			if took := time.Since(before); took != want || !errors.Is(err, wantErr) {
				t.Errorf("%s: %v after %v, want %v after %v", what, err, took, wantErr, want)
			}
		}
		s.Refuse(on("range", errAway))
		s.Hang(false)
		s.EndWatches(clientv3.WatchResponse{})
		s.Refuse(func(string, string) error { return errAway })
		synctest.Wait()
		if err := store.Away(); err != nil {
			t.Errorf("an election is not waited for: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		took("the first change", linkPatience-500*time.Millisecond, storage.ErrAway)
		took("the next one", 0, storage.ErrAway)
		if err := store.Away(); !errors.Is(err, storage.ErrAway) || !strings.Contains(err.Error(), prefix) {
			t.Errorf("away: %v", err)
		}
		s.Refuse(nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		store.Take()
		if err := store.Away(); err != nil || store.State().Err != nil {
			t.Errorf("it answers: %v, %+v", err, store.State())
		}
		took("it answers", 0, nil)
		s.EndWatches(clientv3.WatchResponse{})
		s.Refuse(on("watch", errAway))
		synctest.Wait()
		before := time.Now()
		time.AfterFunc(time.Second/2, func() { s.Refuse(nil) })
		_, err := store.Commit(t.Context(), putting(planned(2, "db")))
		if took := time.Since(before); !errors.Is(err, storage.ErrConflict) || took > linkPatience {
			t.Errorf("it is back: %v after %v, want what has come meanwhile first", err, took)
		}
	})
}

// TestFollowsAgain: whatever keeps a host from following etcd, it tries again, first soon
// and then once a second at most, knows in the end what etcd has, and logs it once.
func TestFollowsAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse  etcdfake.Fault
		last    clientv3.WatchResponse
		replace bool
		compact bool
	}{
		"watches fail":          {refuse: on("watch", errAway)},
		"the watch ends":        {},
		"the watch fails":       {last: clientv3.WatchResponse{Canceled: true, CancelReason: "no leader"}},
		"changes are missed":    {refuse: on("watch", errAway), compact: true},
		"another cluster":       {replace: true},
		"all of it fails":       {refuse: func(string, string) error { return errAway }},
		"it fails, and forgets": {refuse: func(string, string) error { return errAway }, compact: true},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store, other := s.open(), s.open()
				if err := other.Apply(t.Context(), putting(planned(1, "web"), planned(2, "db"))); err != nil {
					t.Fatal(err)
				}
				attempts := 0
				s.Refuse(func(kind, key string) error {
					if tt.refuse == nil {
						return nil
					}
					err := tt.refuse(kind, key)
					if err != nil {
						attempts++
					}
					return err
				})
				if tt.replace {
					s.Replace()
				} else {
					s.EndWatches(tt.last)
				}
				if tt.refuse != nil {
					time.Sleep(time.Minute)
					if attempts < 2*55 || attempts > 3*130 { // of two hosts
						t.Errorf("%d attempts in a minute", attempts)
					}
					if err := store.Link(); err == nil || store.State().Err == nil {
						t.Error("etcd counts as followed")
					}
				}
				s.Refuse(nil)
				client := s.Client(t.Context())
				if _, err := client.Delete(t.Context(), prefix+guestKey(uid(2))); err != nil {
					t.Fatal(err)
				}
				if tt.compact {
					s.put("notes/x", "y")
					resp, err := client.Get(t.Context(), prefix)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := client.Compact(t.Context(), resp.Header.Revision); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(3 * checkEvery)
				synctest.Wait()
				store.Take()
				if err := store.Link(); err != nil {
					t.Errorf("etcd is not followed: %v", err)
				}
				if len(store.mirror.guests) != 1 || store.mirror.guests[uid(1)].record == nil {
					t.Errorf("the host knows %+v", store.mirror.table().Instances)
				}
				if table, err := store.cache.Load(t.Context()); err != nil || len(table.Instances) != 1 {
					t.Errorf("its cache has %+v, %v", table.Instances, err)
				}
				lines := s.lines.String()
				if n := strings.Count(lines, "etcd cannot be followed"); tt.refuse != nil && (n < 2 || n > 6) {
					t.Errorf("%d lines tell of it:\n%s", n, lines)
				}
				if tt.replace && !strings.Contains(lines, "etcd was replaced") {
					t.Errorf("the log:\n%s", lines)
				}
				if now := store.State(); now.Revision == 0 || time.Since(now.Current) > checkEvery {
					t.Errorf("%+v", now)
				}
			})
		})
	}
}

// TestHungCheck: an etcd that accepts requests and answers none is lost within seconds.
func TestHungCheck(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		s.Hang(true)
		time.Sleep(checkEvery + checkTimeout + time.Second)
		synctest.Wait()
		if err := store.Link(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after a while: %v", err)
		}
		before := time.Now()
		if _, err := store.Commit(t.Context(), putting(planned(1, "web"))); !errors.Is(err, storage.ErrAway) || time.Since(before) > linkPatience {
			t.Errorf("a change: %v after %v", err, time.Since(before))
		}
		s.Hang(false)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if err := store.Link(); err != nil {
			t.Errorf("it answers again: %v", err)
		}
	})
}

// TestMarks: a host follows only the inventory that it knows, and one that it can read.
func TestMarks(t *testing.T) {
	const ours, others = `{"v":1,"schema":1,"inventory":"ours"}`, `{"v":1,"schema":1,"inventory":"theirs"}`
	for name, tt := range map[string]struct {
		known, mark string
		want        error
		text        string
	}{
		"new, and nothing there":    {"", "", nil, ""},
		"new, and one there":        {"", others, nil, ""},
		"the one that it knows":     {"ours", ours, nil, ""},
		"another one":               {"ours", others, ErrOther, "it is theirs, and this host knows ours"},
		"nothing":                   {"ours", "", ErrOther, "restore etcd from a backup"},
		"one of a newer mdserver":   {"ours", `{"v":9,"schema":2,"inventory":"ours"}`, ErrNewer, "the schema 2; this one reads 1"},
		"newer, and otherwise":      {"", `{"schema":2}`, ErrNewer, "schema"},
		"what is no mark":           {"ours", "junk", ErrOther, "the key /mdserver/schema cannot be read"},
		"a mark without inventory":  {"", `{"v":1,"schema":1}`, ErrOther, "names no inventory"},
		"a mark, and a new host, 0": {"", `{"schema":0,"inventory":"theirs"}`, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				if tt.mark != "" {
					s.put(schemaKey, tt.mark)
				}
				store := s.open(func(cache *fickleCache) {
					if err := cache.SetNote(t.Context(), inventoryNote, tt.known); err != nil {
						t.Fatal(err)
					}
				})
				err := store.State().Err
				if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%v, want %v: %s", err, tt.want, tt.text)
				}
				if _, err := store.Commit(t.Context(), putting(planned(1, "web"))); !errors.Is(err, tt.want) || errors.Is(err, storage.ErrAway) {
					t.Errorf("a change: %v", err)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				id, _ := Inventory(t.Context(), s.cache)
				var m mark
				switch _, err := m, tt.want; {
				case err != nil && id != tt.known:
					t.Errorf("the cache is of the inventory %q now", id)
				case err == nil && (id == "" || !strings.Contains(s.get(schemaKey), id)):
					t.Errorf("the cache is of the inventory %q, and etcd has %s", id, s.get(schemaKey))
				}
			})
		})
	}
}

// TestOpenFails: a store is not opened without what its cache must tell.
func TestOpenFails(t *testing.T) {
	disk := errors.New("input/output error")
	for name, tt := range map[string]struct {
		prepare func(cache *fickleCache)
		want    string
	}{
		"the ID cannot be read":    {func(c *fickleCache) { c.note = disk }, disk.Error()},
		"the ID cannot be written": {func(c *fickleCache) { c.setNote = func(string, string) error { return disk } }, disk.Error()},
		"spares that are damaged":  {func(c *fickleCache) { _ = c.SetNote(t.Context(), sparesNote, "junk") }, `the note "etcd/spares" cannot be read`},
	} {
		t.Run(name, func(t *testing.T) {
			cache := &fickleCache{Memory: storetest.NewMemory()}
			tt.prepare(cache)
			client := etcdfake.New().Client(t.Context())
			if _, err := Open(t.Context(), Options{Client: client, Prefix: prefix, Cache: cache, Log: quiet}); err == nil || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), "cache of the inventory") {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// TestReturnSpares: an address that is given back leaves the disk before etcd has it.
func TestReturnSpares(t *testing.T) {
	hold := func(store *Store, numbers ...int) instance.Change {
		var c instance.Change
		for _, n := range numbers {
			c.Hold = append(c.Hold, instance.Spare{Addr: addr(n), Owner: store.ID(), Host: "kvm1"})
		}
		return c
	}
	onDisk := func(t *testing.T, s *site, store *Store, want string) {
		t.Helper()
		synctest.Wait()
		table, err := store.Load(t.Context())
		var list []string
		for _, spare := range table.Spares {
			list = append(list, spare.Addr.String())
		}
		if got := strings.Join(list, " "); got != want || err != nil {
			t.Errorf("usable: %s, want %s, %v", got, want, err)
		}
		note, _ := s.cache.Note(t.Context(), sparesNote)
		for n := range 10 {
			if strings.Contains(note, `"`+addr(n).String()+`"`) != strings.Contains(want, addr(n).String()) {
				t.Errorf("the disk has %s, want %s", note, want)
			}
		}
	}
	disk := errors.New("the disk is full")
	for name, tt := range map[string]struct {
		full   bool
		refuse etcdfake.Fault
		keep   bool   // an unshared record has the address
		disk   string // afterwards
		etcd   bool   // the address is still spare there
	}{
		"given back":            {disk: "10.0.0.2"},
		"the disk is full":      {full: true, disk: "10.0.0.1 10.0.0.2", etcd: true},
		"etcd is lost":          {refuse: each(on("txn", errAway), on("put", errAway)), disk: "10.0.0.2", etcd: true},
		"of an unshared record": {keep: true, refuse: each(on("txn", errAway), on("put", errAway)), disk: "10.0.0.1 10.0.0.2", etcd: true},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store := s.open()
				if err := store.Apply(t.Context(), []instance.Change{hold(store, 1, 2)}); err != nil {
					t.Fatal(err)
				}
				onDisk(t, s, store, "10.0.0.1 10.0.0.2")
				if tt.full {
					s.cache.setNote = func(key, _ string) error {
						if key == sparesNote {
							return disk
						}
						return nil
					}
				}
				if tt.keep {
					if err := store.Keep(t.Context(), storage.Unshared{Record: planned(1, "web")}); err != nil {
						t.Fatal(err)
					}
				}
				s.Refuse(tt.refuse)
				_, err := store.Commit(t.Context(), []instance.Change{{Drop: []netip.Addr{addr(1)}}})
				s.Refuse(nil)
				if tt.full != errors.Is(err, disk) || (err == nil) != (!tt.full && tt.refuse == nil) {
					t.Error(err)
				}
				if !tt.full {
					onDisk(t, s, store, tt.disk)
				}
				if there := s.get(spareKey(addr(1))) != ""; there != tt.etcd {
					t.Errorf("it is still spare in etcd: %v", there)
				}
				again, err := Open(t.Context(), Options{Client: s.Client(t.Context()), Prefix: "/elsewhere/", Cache: s.cache.Memory, Log: quiet})
				if err != nil {
					t.Fatal(err)
				}
				if got := len(again.spares.usable()); got != strings.Count(tt.disk, ".1")+strings.Count(tt.disk, ".2") {
					t.Errorf("after a restart %d are usable, want %s", got, tt.disk)
				}
				if err := again.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestKept: records that are not shared stay on the disk until they are forgotten, and
// become part of a cache that is a database of its own.
func TestKept(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		base := planned(2, "base")
		for _, u := range []storage.Unshared{{Record: planned(1, "web")}, {Record: planned(2, "db"), Base: &base}, {Record: planned(3, "gone")}} {
			u.Record.Unshared = true
			if err := store.Keep(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Forget(t.Context(), uid(3)); err != nil {
			t.Fatal(err)
		}
		list, err := store.Unshared(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, u := range list {
			if (u.Base != nil) != (u.Record.Name == "db") || u.Base != nil && u.Base.Name != "base" {
				t.Errorf("%+v", u)
			}
		}
		if err := s.cache.SetNote(t.Context(), sparesNote, "[]"); err != nil {
			t.Fatal(err)
		}
		if err := Detach(t.Context(), s.cache); err != nil {
			t.Fatal(err)
		}
		table, err := s.cache.Load(t.Context())
		if err != nil || len(table.Instances) != 2 || table.Instances[0].Unshared || table.Instances[1].Unshared {
			t.Errorf("%+v, %v", table, err)
		}
		notes, err := s.cache.Notes(t.Context())
		if err != nil || len(notes) != 1 || HostIDOf(notes) != store.ID() {
			t.Errorf("notes: %v, %v", notes, err)
		}
		if err := s.cache.SetNote(t.Context(), unsharedNote+"x", "junk"); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Unshared(t.Context()); err == nil || !strings.Contains(err.Error(), unsharedNote+"x") {
			t.Errorf("a note that cannot be read: %v", err)
		}
		if _, err := store.Commit(t.Context(), putting(planned(7, "x"))); err == nil || s.get(guestKey(uid(7))) != "" {
			t.Errorf("a change while it cannot be read: %v", err)
		}
		own := storetest.NewMemory()
		if err := own.SetNote(t.Context(), unsharedNote+"x", "junk"); err != nil {
			t.Fatal(err)
		}
		if err := Detach(t.Context(), own); err != nil {
			t.Errorf("a database that was no cache: %v", err)
		}
	})
}

// TestNotesFail: a note that may be written is told apart from one that is not.
func TestNotesFail(t *testing.T) {
	for name, tt := range map[string]struct {
		key, text    string
		refuse, lose etcdfake.Fault
		want         error
		not          error
		written      string
	}{
		"written":              {key: "k", text: "new", written: "new"},
		"removed":              {key: "k"},
		"no key":               {text: "new", not: storage.ErrUncertain, written: "old", want: errAny},
		"refused":              {key: "k", text: "new", refuse: on("put", rpctypes.ErrGRPCNoSpace), want: rpctypes.ErrNoSpace, not: storage.ErrUncertain, written: "old"},
		"lost":                 {key: "k", text: "new", refuse: on("put", errAway), want: storage.ErrUncertain, written: "old"},
		"the answer is lost":   {key: "k", text: "new", lose: on("put", errAway), want: storage.ErrUncertain, written: "new"},
		"removed, answer lost": {key: "k", lose: on("delete", errAway), want: storage.ErrUncertain},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store := s.open()
				if err := store.SetNote(t.Context(), "k", "old"); err != nil {
					t.Fatal(err)
				}
				s.Refuse(tt.refuse)
				s.Lose(tt.lose)
				err := store.SetNote(t.Context(), tt.key, tt.text)
				s.Refuse(nil)
				s.Lose(nil)
				if (err != nil) != (tt.want != nil) || tt.want != errAny && !errors.Is(err, tt.want) || tt.not != nil && errors.Is(err, tt.not) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				notes, err := store.Notes(t.Context())
				if notes["k"] != tt.written || len(notes) > 1 || err != nil {
					t.Errorf("%v, %v, want %q", notes, err, tt.written)
				}
				s.Refuse(func(string, string) error { return errAway })
				_, noteErr := store.Note(t.Context(), "k")
				_, notesErr := store.Notes(t.Context())
				_, _, sharedErr := store.SharedNote(t.Context(), "k")
				swapped, swapErr := store.SwapNote(t.Context(), "k", "x", 1)
				for _, err := range []error{noteErr, notesErr, sharedErr, swapErr} {
					if !errors.Is(err, errAway) || !strings.Contains(err.Error(), "below "+prefix) || swapped {
						t.Errorf("etcd is away: %v", err)
					}
				}
			})
		})
	}
}

var errAny = errors.New("any error")

// TestPages: more notes than one answer has are read, once each.
func TestPages(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		client := s.Client(t.Context())
		for n := range 2*pageSize + 1 {
			if _, err := client.Put(t.Context(), fmt.Sprintf("%snotes/%05d", prefix, n), "x"); err != nil {
				t.Fatal(err)
			}
		}
		reads := 0
		s.Lose(func(kind, _ string) error {
			if kind == "range" {
				reads++
			}
			return nil
		})
		var revisions []int64
		err := pages(t.Context(), client, prefix+notesKey, 0, func(_ string, kv *keyValue) { revisions = append(revisions, kv.ModRevision) })
		if err != nil || len(revisions) != 2*pageSize+1 || reads != 3 {
			t.Errorf("%d keys in %d reads, %v", len(revisions), reads, err)
		}
		s.Refuse(func(kind, key string) error {
			if kind == "range" && key != prefix+notesKey {
				return errAway
			}
			return nil
		})
		if notes, err := NewReader(client, prefix).Notes(t.Context()); !errors.Is(err, errAway) || notes != nil {
			t.Errorf("the second read fails: %d notes, %v", len(notes), err)
		}
	})
}

// TestSetAsideFails: a record stays where it cannot be set aside.
func TestSetAsideFails(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		web := planned(1, "web")
		if err := store.Apply(t.Context(), putting(web)); err != nil {
			t.Fatal(err)
		}
		aside := func() error {
			return store.SetAside(t.Context(), []instance.Instance{web}, []error{errors.New("two have one name")})
		}
		s.Refuse(on("put", errAway))
		if err := aside(); !errors.Is(err, errAway) || s.get(guestKey(uid(1))) == "" {
			t.Errorf("%v, and the record is %q", err, s.get(guestKey(uid(1))))
		}
		s.Refuse(nil)
		record := s.get(guestKey(uid(1)))
		if err := aside(); err != nil || s.get(guestKey(uid(1))) != "" || s.get(asideKey+uid(1).String()) != record {
			t.Errorf("%v: aside is %q, want %q", err, s.get(asideKey+uid(1).String()), record)
		}
		if lines := s.lines.String(); strings.Count(lines, "set aside") != 1 || !strings.Contains(lines, "two have one name") {
			t.Errorf("the log:\n%s", lines)
		}
	})
}

// TestMerge: what is decided is worked out again until nothing is missing, at most as
// often as maxMerges.
func TestMerge(t *testing.T) {
	for name, tt := range map[string]struct {
		rivals  int // how often another host changes the guest meanwhile
		refuse  etcdfake.Fault
		decide  error
		want    error
		decided int
	}{
		"nothing in between":  {decided: 3}, // without a mark, with one, and when it is there
		"two rivals":          {rivals: 2, decided: 5},
		"rivals without end":  {rivals: 100, want: storage.ErrConflict, decided: maxMerges},
		"etcd is away":        {refuse: on("range", errAway), want: errAway},
		"no mark can be made": {refuse: on("txn", errAway), want: errAway, decided: 1},
		"it is refused":       {decide: errAny, want: errAny, decided: 1},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				client := s.Client(t.Context())
				decided, done := 0, 0
				s.Refuse(tt.refuse)
				id, err := Merge(t.Context(), client, prefix, func(id string, present instance.Table) (instance.Change, error) {
					decided++
					if (id == "") != (decided == 1) {
						t.Errorf("decision %d is on the inventory %q", decided, id)
					}
					if tt.decide != nil {
						return instance.Change{}, tt.decide
					}
					if decided > 1 && decided < tt.rivals+2 {
						s.put("claims/name/web", uid(9).String())
						return instance.Change{Put: []instance.Instance{planned(1, "web")}}, nil
					}
					if decided > 1 && tt.rivals > 0 {
						if _, err := client.Delete(t.Context(), prefix+"claims/name/web"); err != nil {
							t.Fatal(err)
						}
					}
					if len(present.Instances) > 0 {
						return instance.Change{}, nil
					}
					return instance.Change{Put: []instance.Instance{planned(1, "web")}}, nil
				}, func(n, all int) { done = n })
				s.Refuse(nil)
				if !errors.Is(err, tt.want) || decided != tt.decided || (err == nil) != (id != "") {
					t.Errorf("%v after %d decisions, the inventory %q", err, decided, id)
				}
				if made := s.get(guestKey(uid(1))) != ""; made != (tt.want == nil) || made != (done == 1) {
					t.Errorf("it was written: %v, and %d records are told of", made, done)
				}
			})
		})
	}
}

// arrival brings the guests of a database into etcd.
type arrival struct {
	decide error
	done   int
}

func (a *arrival) Decide(_ string, present instance.Table) (instance.Change, error) {
	if a.decide != nil || len(present.Instances) > 0 {
		return instance.Change{}, a.decide
	}
	return instance.Change{Put: []instance.Instance{planned(1, "web")}}, nil
}

func (a *arrival) Done() { a.done++ }

// TestJoin: guests of a database that was never in etcd get there if the administrator has
// asked for it, and the migration is done when the database is the cache of all.
func TestJoin(t *testing.T) {
	ours := func(cache *fickleCache) {
		if err := cache.Apply(t.Context(), putting(planned(1, "web"))); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		prepare func(cache *fickleCache)
		ask     error
		decide  error
		full    bool // the cache takes no note of the inventory
		asked   bool
		want    error
		done    int
	}{
		"asked for":         {prepare: ours, asked: true, done: 1},
		"not asked for":     {prepare: ours, ask: errAny, asked: true, want: ErrOther},
		"refused":           {prepare: ours, decide: errAny, asked: true, want: ErrOther},
		"no guests":         {prepare: func(*fickleCache) {}},
		"the cache is full": {prepare: ours, full: true, asked: true},
		"known already": {prepare: func(c *fickleCache) {
			ours(c)
			if err := c.SetNote(t.Context(), inventoryNote, "ours"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				s.put(schemaKey, `{"v":1,"schema":1,"inventory":"ours"}`)
				cache := &fickleCache{Memory: storetest.NewMemory()}
				tt.prepare(cache)
				if tt.full {
					cache.setNote = func(key, _ string) error {
						if key == inventoryNote {
							return errAny
						}
						return nil
					}
				}
				a, asked := &arrival{decide: tt.decide}, false
				store, err := Open(t.Context(), Options{Client: s.Client(t.Context()), Prefix: prefix, Cache: cache, Log: quiet,
					Join: func(_ context.Context, ours instance.Table) (Joining, error) {
						asked = true
						if len(ours.Instances) != 1 {
							t.Errorf("asked with %+v", ours)
						}
						return a, tt.ask
					}})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if err := store.Link(); !errors.Is(err, tt.want) || asked != tt.asked || a.done != tt.done {
					t.Errorf("%v, asked: %v, done %d times", err, asked, a.done)
				}
				if there := s.get(guestKey(uid(1))) != ""; there != (tt.asked && tt.want == nil) {
					t.Errorf("the guest is in etcd: %v", there)
				}
				if tt.full {
					cache.setNote = nil
					time.Sleep(2 * checkEvery)
					synctest.Wait()
					if a.done != 1 || store.State().NotSaved != nil {
						t.Errorf("the cache is not full any more: done %d times, not saved: %v", a.done, store.State().NotSaved)
					}
				}
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestWholeTransactions: changes that fit are made at once, larger ones by several, and one
// that cannot be made changes nothing.
func TestWholeTransactions(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		txns := 0
		s.Lose(func(kind, _ string) error {
			if kind == "txn" {
				txns++
			}
			return nil
		})
		some := func(from, n int) (guests []instance.Instance) {
			for i := range n {
				guests = append(guests, planned(from+i, fmt.Sprint("g", from+i)))
			}
			return guests
		}
		for _, tt := range []struct{ guests, txns int }{{1, 1}, {15, 1}, {60, 4}} {
			changes := putting(some(tt.guests, tt.guests)...)
			if fits := store.Fits(changes); fits != (tt.txns == 1) || (store.Weight(changes[0]) <= 1) != fits {
				t.Errorf("%d guests fit: %v, and weigh %v", tt.guests, fits, store.Weight(changes[0]))
			}
			txns = 0
			if err := store.Apply(t.Context(), changes); err != nil || txns != tt.txns {
				t.Errorf("%d guests: %d transactions, %v", tt.guests, txns, err)
			}
		}
		huge := planned(200, "huge", func(g *instance.Instance) { g.Location = strings.Repeat("x", maxBytes) })
		txns = 0
		_, err := store.Commit(t.Context(), putting(planned(201, "small"), huge))
		if !errors.Is(err, ErrTooLarge) || txns > 0 || s.get(guestKey(uid(201))) != "" {
			t.Errorf("%v after %d transactions", err, txns)
		}
		if err := store.Rewrite(t.Context(), instance.Table{}); err == nil {
			t.Error("etcd was rewritten")
		}
	})
}
