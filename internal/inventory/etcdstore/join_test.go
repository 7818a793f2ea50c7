package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// TestMerge checks that Merge repeats the decision until nothing is missing, at most
// maxMerges times.
func TestMerge(t *testing.T) {
	for name, tt := range map[string]struct {
		rivals  int // how often another host changes the guest meanwhile
		refuse  etcdfake.Fault
		decide  error
		want    error
		decided int
	}{
		"no rivals":           {decided: 3}, // without a mark, with one, after the write
		"two rivals":          {rivals: 2, decided: 5},
		"rivals without end":  {rivals: 100, want: storage.ErrConflict, decided: maxMerges},
		"etcd is away":        {refuse: on("range", errAway), want: errAway},
		"no mark can be made": {refuse: on("txn", errAway), want: errAway, decided: 1},
		"the decision fails":  {decide: errAny, want: errAny, decided: 1},
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
					t.Errorf("the guest is written: %v, and the progress counts %d records", made, done)
				}
			})
		})
	}
}

// TestMergeTooLarge checks that nothing is written of a change of which a part is too large.
func TestMergeTooLarge(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		guests := []instance.Instance{planned(1, "huge", func(g *instance.Instance) { g.Location = strings.Repeat("x", maxBytes) })}
		for n := range 40 {
			guests = append(guests, planned(2+n, fmt.Sprint("g", n)))
		}
		_, err := Merge(t.Context(), s.Client(t.Context()), prefix, func(string, instance.Table) (instance.Change, error) {
			return instance.Change{Put: guests}, nil
		}, nil)
		present, loadErr := NewReader(s.Client(t.Context()), prefix).Load(t.Context())
		if !errors.Is(err, ErrTooLarge) || len(present.Instances) > 0 || loadErr != nil {
			t.Errorf("%v, and %d guests are written, %v", err, len(present.Instances), loadErr)
		}
	})
}

// TestMergeProgress checks that the progress of a change of several transactions counts
// records, up to all of them.
func TestMergeProgress(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		const all = 60
		var guests []instance.Instance
		for n := range all {
			guests = append(guests, planned(1+n, fmt.Sprint("g", n)))
		}
		steps, last := 0, 0
		_, err := Merge(t.Context(), s.Client(t.Context()), prefix, func(_ string, present instance.Table) (instance.Change, error) {
			if len(present.Instances) > 0 {
				return instance.Change{}, nil
			}
			return instance.Change{Put: guests}, nil
		}, func(done, of int) {
			if steps++; done <= last || done > of || of != all {
				t.Errorf("%d of %d records after %d", done, of, last)
			}
			last = done
		})
		if err != nil || last != all || steps < 2 {
			t.Errorf("%d records in %d steps, %v", last, steps, err)
		}
	})
}

// TestMergeBesideOthers checks what happens if another host makes the inventory, or puts
// another one in its place, between the decision and the write.
func TestMergeBesideOthers(t *testing.T) {
	other := func(id string) string { return fmt.Sprintf(`{"v":1,"schema":1,"inventory":%q}`, id) }
	for name, tt := range map[string]struct {
		before  string   // the inventory at first, or empty
		decided []string // on which inventories
	}{
		"it is made":     {decided: []string{"", "theirs", "theirs"}},
		"it is replaced": {before: "ours", decided: []string{"ours", "theirs", "theirs"}},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				if tt.before != "" {
					s.put(schemaKey, other(tt.before))
				}
				kv := &rivalKV{KV: s.Client(t.Context()).KV}
				through := clientv3.NewCtxClient(t.Context())
				through.KV = kv
				replace := func() { s.put(schemaKey, other("theirs")) }
				kv.first.Store(&replace)
				var decided []string
				id, err := Merge(t.Context(), through, prefix, func(id string, present instance.Table) (instance.Change, error) {
					if decided = append(decided, id); len(present.Instances) > 0 {
						return instance.Change{}, nil
					}
					return instance.Change{Put: []instance.Instance{planned(1, "web")}}, nil
				}, nil)
				if id != "theirs" || err != nil || !slices.Equal(decided, tt.decided) {
					t.Errorf("the inventory %q, %v, after decisions on %q, want %q", id, err, decided, tt.decided)
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

// TestJoin checks that the guests of a database that was never in etcd get there if the
// administrator asks for it, and that the migration ends when the database is a cache.
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
		full    bool // the cache cannot write the note of the inventory
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
					cache.fill(inventoryNote)
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
					cache.fill("")
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

// TestWholeTransactions checks that changes that fit take one transaction and larger ones
// several, and that a commit with a change that is too large changes nothing.
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
