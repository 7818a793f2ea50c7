package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storage"
)

// TestStartWithoutEtcd: a host serves what it knows with all members dead, refuses
// changes soon, and is up to date when etcd is back.
func TestStartWithoutEtcd(t *testing.T) {
	cluster := startEtcd(t)
	other := newHost(t, connect(t, cluster), options("10.0.0.0/24"))
	first := newHost(t, connect(t, cluster), options("10.0.0.0/24"))
	reg, err := first.Register(t.Context(), dom(1, "web"))
	if err != nil {
		t.Fatal(err)
	}
	agree(t, []*host{first, other})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Register(t.Context(), dom(2, "later")); err != nil {
		t.Fatal(err)
	}
	cluster.stop()

	begin := time.Now()
	again := openHost(t, connect(t, cluster), first.path, options("10.0.0.0/24"))
	if guest, ok := again.Snapshot().ByAddr(reg.Instance.IPv4); !ok || guest.Name != "web" {
		t.Errorf("without etcd %v belongs to %v", reg.Instance.IPv4, guest)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("the start took %v", took)
	}
	for range 3 {
		begin = time.Now()
		if _, err := again.Release(context.Background(), "web"); !errors.Is(err, inventory.ErrStore) || !errors.Is(err, storage.ErrAway) {
			t.Errorf("a release without etcd: %v", err)
		}
		if took := time.Since(begin); took > 2500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	}
	if again.WriteFailure() == nil {
		t.Error("the failure is not known")
	}

	cluster.start()
	agree(t, []*host{again, other})
	if _, ok := again.Snapshot().ByName("later"); !ok {
		t.Error("what another host has registered meanwhile is missing")
	}
	within(t, 10*time.Second, func() error {
		_, err := again.Release(context.Background(), "web")
		return err
	})
	agree(t, []*host{again, other})
	if failure := again.WriteFailure(); failure != nil {
		t.Errorf("after a change that was made: %v", failure.Err)
	}
}

// TestCompaction: a host has missed changes that etcd no longer has.
func TestCompaction(t *testing.T) {
	cluster := startEtcd(t)
	client := connect(t, cluster)
	stays := newHost(t, client, options("10.0.0.0/24"))
	away := newHost(t, connect(t, cluster), options("10.0.0.0/24"))
	for n, name := range []string{"stays", "goes", "changes"} {
		if _, err := stays.Register(t.Context(), dom(n, name)); err != nil {
			t.Fatal(err)
		}
	}
	agree(t, []*host{stays, away})
	if _, err := stays.Release(t.Context(), "goes"); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(t.Context(), resp.Header.Revision); err != nil {
		t.Fatal(err)
	}
	revision := int64(1)
	if err := away.store.follow(t.Context(), &revision); err == nil || revision != 0 {
		t.Errorf("following from a compacted revision: %v, next from %d; want the whole table next", err, revision)
	}
	agree(t, []*host{stays, away})
}

// TestRestored: etcd has gone back to an earlier state.
func TestRestored(t *testing.T) {
	h := hosts(t, 1, options("10.0.0.0/24"))[0]
	if _, err := h.Register(t.Context(), dom(1, "web")); err != nil {
		t.Fatal(err)
	}
	for what, prepare := range map[string]func(*Store, *int64){
		"an earlier revision": func(_ *Store, revision *int64) { *revision += 1000 },
		"another cluster":     func(s *Store, _ *int64) { s.cluster = 1 },
	} {
		second := openStore(t, h.store.client, prefix, filepath.Join(t.TempDir(), "cache.db"))
		close(second.closing) // the test follows etcd itself
		<-second.done
		revision := int64(1)
		prepare(second, &revision)
		if err := second.check(t.Context(), &revision); err == nil || revision != 0 {
			t.Errorf("%s: %v, the next revision is %d", what, err, revision)
		}
		if err := second.cache.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUnknownOutcome: the answer to a transaction is lost.
func TestUnknownOutcome(t *testing.T) {
	for _, made := range []bool{true, false} {
		t.Run(fmt.Sprint("made ", made), func(t *testing.T) {
			client := connect(t, startEtcd(t))
			h := newLossyHost(t, client, options("10.0.0.0/24"))
			within(t, 5*time.Second, h.store.Link)
			lossy := h.lossy
			lossy.make.Store(made)
			lossy.lose.Store(1)
			first, err := h.Register(context.Background(), dom(1, "web"))
			if err != nil || first.Instance.Unshared != !made {
				t.Errorf("a transaction whose answer is lost: %v, unshared: %v", err, first.Instance.Unshared)
			}
			within(t, 10*time.Second, h.allShared)
			lossy.watch.Lock() // it would answer the question
			lossy.lose.Store(2)
			if reg, err := h.Register(context.Background(), dom(2, "db")); err != nil || !reg.Instance.Unshared {
				t.Errorf("the question is lost, too: %v, unshared: %v", err, reg.Instance.Unshared)
			}
			lossy.watch.Unlock()
			within(t, 10*time.Second, h.allShared)
			lossy.watch.Lock()
			lossy.lose.Store(2)
			if _, err := h.Release(context.Background(), "db"); !errors.Is(err, inventory.ErrStore) {
				t.Errorf("a release: %v", err)
			}
			lossy.watch.Unlock()
			if _, err := h.Register(context.Background(), dom(3, "next")); err != nil {
				t.Errorf("the next change: %v", err)
			}
			within(t, 10*time.Second, h.allShared)
			want := 3
			if made {
				want = 2 // the release was made
			}
			if got := len(agree(t, []*host{h}).Instances); got != want {
				t.Errorf("%d guests, want %d", got, want)
			}
		})
	}
}

// TestOwnUnknownOutcome: a transaction was made, and its answer was lost. What the host
// has answered after that, cut off, holds.
func TestOwnUnknownOutcome(t *testing.T) {
	register := func(h *host, name string) (instance.Instance, error) {
		reg, err := h.Register(context.Background(), dom(1, name))
		return reg.Instance, err
	}
	for what, lost := range map[string]func(h *host) error{
		"registration": func(h *host) error { _, err := register(h, "former"); return err },
		"rename":       func(h *host) error { _, err := register(h, "renamed"); return err },
		"release":      func(h *host) error { _, err := h.Release(context.Background(), "web"); return err },
	} {
		t.Run(what, func(t *testing.T) {
			client := connect(t, startEtcd(t))
			h := newLossyHost(t, client, options("10.0.0.0/24"))
			h.replenish(t)
			if what != "registration" {
				if _, err := register(h, "web"); err != nil {
					t.Fatal(err)
				}
				within(t, 10*time.Second, h.allShared) // at once, unless the machine is busy
			}
			h.lossy.watch.Lock() // it would tell that the transaction was made
			h.lossy.make.Store(true)
			h.lossy.lose.Store(2)
			if err := lost(h); (err == nil) != (what == "registration") {
				t.Error(err)
			}
			h.lossy.make.Store(false)
			h.lossy.lose.Store(1 << 20)
			answered, err := register(h, "web")
			h.lossy.watch.Unlock()
			if err != nil || !answered.Unshared {
				t.Fatalf("cut off: %v: %+v", err, answered)
			}
			h.lossy.lose.Store(0)
			within(t, 10*time.Second, h.allShared)
			if guest, ok := h.Snapshot().ByUUID(uid(1)); !ok || guest.Name != "web" || guest.IPv4 != answered.IPv4 {
				t.Errorf("shared as %+v, but %v was answered", guest, answered.IPv4)
			}
			agree(t, []*host{h, newHost(t, client, options("10.0.0.0/24"))})
		})
	}
}

// TestOtherInventory: an etcd that was emptied, or a prefix of others, takes no
// guests away.
func TestOtherInventory(t *testing.T) {
	cluster := startEtcd(t)
	client := connect(t, cluster)
	h := newHost(t, client, options("10.0.0.0/24"))
	if _, err := h.Register(t.Context(), dom(1, "web")); err != nil {
		t.Fatal(err)
	}
	agree(t, []*host{h})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Delete(t.Context(), prefix, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"", `{"v":1,"schema":1,"inventory":"another"}`, `{"v":9,"schema":9}`, "junk"} {
		t.Run(mark, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cache.db")
			copyDatabase(t, h.path, path)
			if mark != "" {
				if _, err := client.Put(t.Context(), prefix+schemaKey, mark); err != nil {
					t.Fatal(err)
				}
			}
			again := openHost(t, client, path, options("10.0.0.0/24"))
			_, err := again.Release(context.Background(), "web")
			if !errors.Is(err, inventory.ErrStore) || !errors.Is(err, ErrOther) && !errors.Is(err, ErrNewer) {
				t.Errorf("a release: %v", err)
			}
			if _, ok := again.Snapshot().ByName("web"); !ok {
				t.Error("the guest is not served")
			}
		})
	}
}

func copyDatabase(t *testing.T, from, to string) {
	t.Helper()
	for _, suffix := range []string{"", ".mark"} {
		text, err := os.ReadFile(from + suffix)
		if err == nil {
			err = os.WriteFile(to+suffix, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnreadableRecord: what cannot be read takes nothing else away.
func TestUnreadableRecord(t *testing.T) {
	h := hosts(t, 1, options("10.0.0.0/24"))[0]
	for n, name := range []string{"web", "db"} {
		if _, err := h.Register(t.Context(), dom(n, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{guestKey(uid(0)), guestsKey + "junk", restingKey + "junk", "junk"} {
		if _, err := h.store.client.Put(t.Context(), prefix+key, "junk"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Register(t.Context(), dom(2, "after")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"web", "db", "after"} {
		if _, ok := h.Snapshot().ByName(name); !ok {
			t.Errorf("%s is not served", name)
		}
	}
}

// TestContradiction: a record that someone has written by hand contradicts others.
func TestContradiction(t *testing.T) {
	h := hosts(t, 1, options("10.0.0.0/24"))[0]
	reg, err := h.Register(t.Context(), dom(1, "web"))
	if err != nil {
		t.Fatal(err)
	}
	thief := instance.Instance{ID: "i-2", Name: "thief", Hostname: "thief", UUID: uid(2), Network: "mds", MAC: instance.MAC{2}, IPv4: reg.Instance.IPv4}
	text, err := encode(thief, guestShape, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.store.client.Put(t.Context(), prefix+guestKey(thief.UUID), text); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, func() error {
		if h.WriteFailure() == nil {
			return errors.New("nothing is reported")
		}
		return nil
	})
	if guest, ok := h.Snapshot().ByAddr(reg.Instance.IPv4); !ok || guest.Name != "web" {
		t.Errorf("the address belongs to %v", guest)
	}
}
