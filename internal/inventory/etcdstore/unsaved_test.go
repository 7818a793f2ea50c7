package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

// fullDisk is a cache that cannot be written while it is full.
type fullDisk struct {
	storage.Store
	full atomic.Bool
}

func (d *fullDisk) Apply(ctx context.Context, changes []instance.Change) error {
	if d.full.Load() {
		return syscall.ENOSPC
	}
	return d.Store.Apply(ctx, changes)
}

func (d *fullDisk) SetNote(ctx context.Context, key, text string) error {
	if d.full.Load() {
		return syscall.ENOSPC
	}
	return d.Store.SetNote(ctx, key, text)
}

// onDisk gives a host whose cache may be full.
func onDisk(t *testing.T, cluster *testEtcd) (*host, *fullDisk) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cache.db")
	database, err := boltstore.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	disk := &fullDisk{Store: database}
	store, err := Open(t.Context(), Options{Client: connect(t, cluster), Prefix: prefix, Cache: disk, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Open(context.Background(), store, options("10.0.0.0/24"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	return &host{Inventory: inv, store: store, path: path}, disk
}

func (h *host) notSaved(want bool) func() error {
	return func() error {
		if err := h.store.State().NotSaved; errors.Is(err, syscall.ENOSPC) != want {
			return fmt.Errorf("not saved: %v", err)
		}
		return nil
	}
}

// TestFullDisk: what the disk has not taken is written when it can be, without another
// change.
func TestFullDisk(t *testing.T) {
	for name, away := range map[string]bool{"with etcd": false, "without etcd": true} {
		t.Run(name, func(t *testing.T) {
			cluster := startEtcd(t)
			h, disk := onDisk(t, cluster)
			other := newHost(t, connect(t, cluster), options("10.0.0.0/24"))
			within(t, 10*time.Second, h.store.Link)
			within(t, 10*time.Second, other.store.Link)
			list := []*host{h, other}
			for n, name := range []string{"kept", "removed", "changed"} {
				if _, err := other.Register(t.Context(), dom(n, name)); err != nil {
					t.Fatal(err)
				}
			}
			agree(t, list)

			disk.full.Store(true)
			if _, err := other.Register(t.Context(), dom(3, "new")); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Register(t.Context(), dom(2, "changed", "ipv4", "10.0.0.99")); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Release(t.Context(), "removed"); err != nil {
				t.Fatal(err)
			}
			if err := h.Replenish(t.Context()); err != nil {
				t.Fatal(err)
			}
			within(t, 10*time.Second, h.notSaved(true))
			within(t, 10*time.Second, func() error {
				if got := len(h.Snapshot().Spares()); got == 0 {
					return errors.New("no spare addresses")
				}
				return nil
			})
			want := h.Snapshot().Table()
			if cached, err := disk.Load(t.Context()); err != nil || len(cached.Instances) != 3 {
				t.Errorf("a full disk has %d guests, %v", len(cached.Instances), err)
			}
			if away {
				cluster.stop()
			}
			disk.full.Store(false)
			within(t, 20*time.Second, h.notSaved(false))
			cached, err := h.store.Load(t.Context())
			if err != nil || len(cached.Instances) != len(want.Instances) || len(cached.Resting) != len(want.Resting) || len(cached.Resting) == 0 {
				t.Errorf("the disk has %+v, %v, want %+v", cached, err, want)
			}
			if note, err := disk.Note(t.Context(), storage.SparesNote); err != nil || note == "" {
				t.Errorf("the disk has the spare addresses %q, %v", note, err)
			}
			if !away {
				agree(t, list)
			}
		})
	}
}

// TestFullDiskAtStart: a disk that does not take the table gets it and what has changed
// since when it can.
func TestFullDiskAtStart(t *testing.T) {
	cluster := startEtcd(t)
	other := newHost(t, connect(t, cluster), options("10.0.0.0/24"))
	within(t, 10*time.Second, other.store.Link)
	if _, err := other.Register(t.Context(), dom(1, "before")); err != nil {
		t.Fatal(err)
	}
	cluster.stop()
	h, disk := onDisk(t, cluster)
	disk.full.Store(true)
	cluster.start()
	within(t, 20*time.Second, h.store.Link)
	within(t, 20*time.Second, other.store.Link)
	if _, err := other.Register(t.Context(), dom(2, "after")); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, func() error {
		if got := h.Snapshot().Len(); got != 2 {
			return fmt.Errorf("%d guests", got)
		}
		return nil
	})
	within(t, 10*time.Second, h.notSaved(true))
	if id, err := Inventory(t.Context(), disk); err != nil || id != "" {
		t.Errorf("the cache of nothing names the inventory %q, %v", id, err)
	}
	disk.full.Store(false)
	within(t, 20*time.Second, h.notSaved(false))
	agree(t, []*host{h, other})
	if id, err := Inventory(t.Context(), disk); err != nil || id == "" {
		t.Errorf("the cache names the inventory %q, %v", id, err)
	}
}
