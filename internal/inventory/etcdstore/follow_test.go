package etcdstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// TestPatience checks that a change waits a while for an etcd that was just lost, and that
// later ones fail at once until etcd answers.
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
			t.Errorf("etcd counts as away during an election: %v", err)
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
			t.Errorf("it is back: %v after %v, want a conflict, since changes may have come meanwhile", err, took)
		}
	})
}

// TestFollowsAgain checks that a host follows etcd again after each kind of failure. It tries
// soon, then once a second at most, reads the current state, and logs the failure once.
func TestFollowsAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse  etcdfake.Fault
		last    clientv3.WatchResponse
		replace bool
		compact bool
	}{
		"watches fail":                     {refuse: on("watch", errAway)},
		"the watch ends":                   {},
		"the watch fails":                  {last: clientv3.WatchResponse{Canceled: true, CancelReason: "no leader"}},
		"changes are missed":               {refuse: on("watch", errAway), compact: true},
		"another cluster":                  {replace: true},
		"all requests fail":                {refuse: func(string, string) error { return errAway }},
		"all fail, and changes are missed": {refuse: func(string, string) error { return errAway }, compact: true},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store, other := s.open(), s.open()
				if err := other.Apply(t.Context(), putting(planned(1, "web"), planned(2, "db"))); err != nil {
					t.Fatal(err)
				}
				var attempts atomic.Int64
				s.Refuse(func(kind, key string) error {
					if tt.refuse == nil {
						return nil
					}
					err := tt.refuse(kind, key)
					if err != nil {
						attempts.Add(1)
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
					if n := attempts.Load(); n < 2*55 || n > 3*130 { // of two hosts
						t.Errorf("%d attempts in a minute", n)
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
					t.Errorf("%d lines report the failure:\n%s", n, lines)
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

// TestLoggedOnce checks that the log has each state of etcd once, even while only some kinds
// of requests fail.
func TestLoggedOnce(t *testing.T) {
	for _, kind := range []string{"range", "watch"} {
		t.Run(kind, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store := s.open()
				logged := func(what string, losses, answers int) {
					t.Helper()
					lines := s.lines.String()
					if n := strings.Count(lines, "etcd cannot be followed"); n != losses {
						t.Errorf("%s: %d losses are logged, want %d:\n%s", what, n, losses, lines)
					}
					if n := strings.Count(lines, "etcd answers"); n != answers {
						t.Errorf("%s: %d times it answers, want %d:\n%s", what, n, answers, lines)
					}
				}
				logged("opened", 0, 1)
				s.Refuse(on(kind, errAway))
				if kind == "watch" {
					s.EndWatches(clientv3.WatchResponse{Canceled: true, CancelReason: errAway.Error()})
				}
				time.Sleep(10 * checkEvery)
				synctest.Wait()
				logged("it fails", 1, 1)
				if err := store.Link(); err == nil || !strings.Contains(err.Error(), "etcd is away") {
					t.Errorf("etcd counts as followed: %v", err)
				}
				s.Refuse(nil)
				time.Sleep(2 * checkEvery)
				synctest.Wait()
				logged("it answers", 1, 2)
				if err := store.Link(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestHungCheck checks that an etcd that answers no request counts as lost within seconds.
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

// TestMarks checks that a host follows an inventory only if it can read it, and if the host is
// new or knows this inventory.
func TestMarks(t *testing.T) {
	const ours, others = `{"v":1,"schema":1,"inventory":"ours"}`, `{"v":1,"schema":1,"inventory":"theirs"}`
	for name, tt := range map[string]struct {
		known, mark string
		want        error
		text        string
	}{
		"a new host, no mark":      {"", "", nil, ""},
		"a new host, a mark":       {"", others, nil, ""},
		"the known inventory":      {"ours", ours, nil, ""},
		"another inventory":        {"ours", others, ErrOther, "it is theirs, and this host knows ours"},
		"no mark":                  {"ours", "", ErrOther, "restore etcd from a backup"},
		"a newer mdserver":         {"ours", `{"v":9,"schema":2,"inventory":"ours"}`, ErrNewer, "the schema 2; this one reads 1"},
		"newer, without inventory": {"", `{"schema":2}`, ErrNewer, "schema"},
		"an unreadable mark":       {"ours", "junk", ErrOther, "the key /mdserver/schema cannot be read"},
		"a mark without inventory": {"", `{"v":1,"schema":1}`, ErrOther, "names no inventory"},
		"a new host, schema 0":     {"", `{"schema":0,"inventory":"theirs"}`, nil, ""},
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
					t.Errorf("the cache has the inventory %q now", id)
				case err == nil && (id == "" || !strings.Contains(s.get(schemaKey), id)):
					t.Errorf("the cache has the inventory %q, and etcd has %s", id, s.get(schemaKey))
				}
			})
		})
	}
}

// TestOpenFails checks that Open fails if it cannot read or write the notes of the cache.
func TestOpenFails(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(cache *fickleCache)
		want    string
	}{
		"the ID cannot be read":    {func(c *fickleCache) { c.note = errDisk }, errDisk.Error()},
		"the ID cannot be written": {func(c *fickleCache) { c.fill(all) }, errDisk.Error()},
		"the spares are damaged":   {func(c *fickleCache) { _ = c.SetNote(t.Context(), storage.SparesNote, "junk") }, `the note "etcd/spares" cannot be read`},
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

// silent is a watch that etcd does not begin, as without a leader.
type silent struct{ clientv3.Watcher }

func (silent) Watch(context.Context, string, ...clientv3.OpOption) clientv3.WatchChan {
	return make(chan clientv3.WatchResponse)
}

// TestWatchNotBegun checks that etcd is not followed as long as it only answers requests:
// changes of other hosts may be missing.
func TestWatchNotBegun(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		inner := s.Client(t.Context())
		client := clientv3.NewCtxClient(t.Context())
		client.KV, client.Watcher = inner.KV, silent{}
		store, err := Open(t.Context(), Options{Client: client, Prefix: prefix, Cache: storetest.NewMemory(), Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * checkEvery)
		synctest.Wait()
		if store.Link() == nil || store.State().Revision == 0 {
			t.Errorf("%v at revision %d", store.Link(), store.State().Revision)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestUnreadableFromTheStart checks that a host whose start finds a record in etcd that cannot
// be read keeps what it knows of that guest, and that its next change mends the record.
func TestUnreadableFromTheStart(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		web, db := planned(1, "web"), planned(2, "db")
		s.put(schemaKey, `{"v":1,"schema":1,"inventory":"ours"}`)
		for _, id := range []uuid.UUID{uid(1), uid(3)} { // nobody knows the last one
			s.put(guestKey(id), "junk")
		}
		s.record(planned(2, "db2"))
		store := s.open(func(c *fickleCache) {
			if err := errors.Join(c.Apply(t.Context(), putting(web, db)), c.SetNote(t.Context(), inventoryNote, "ours")); err != nil {
				t.Fatal(err)
			}
		})
		names := func() string {
			table, err := store.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, guest := range table.Instances {
				all = append(all, guest.Name)
			}
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		if got := names(); got != "db2 web" {
			t.Errorf("the guests are %s", got)
		}
		web.Name = "web2"
		if _, err := store.Commit(t.Context(), putting(web)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		store.Take()
		if got := names(); got != "db2 web2" {
			t.Errorf("after the change, the guests are %s", got)
		}
		if got := s.get(guestKey(uid(1))); !strings.Contains(got, "web2") {
			t.Errorf("etcd has %s", got)
		}
	})
}
