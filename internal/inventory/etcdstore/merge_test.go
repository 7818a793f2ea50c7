package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/migrate"
	"mdserver/internal/inventory/storetest"
)

// bare is a guest without what a registration adds.
func bare(n int, host string) instance.Instance {
	name := fmt.Sprintf("web%d", n)
	return instance.Instance{ID: "i-" + name, Name: name, Hostname: name, UUID: uid(n), Network: "mds", Home: home(host),
		MAC: instance.MAC{0x52, 0x54, 0, 1, byte(n >> 8), byte(n)}, IPv4: netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})}
}

func home(host string) instance.Home {
	if host == "" {
		return instance.Home{}
	}
	return instance.Home{Host: host, HostID: "id-" + host, Epoch: 1}
}

// database makes a database of a host that never used etcd.
func database(t *testing.T, guests ...instance.Instance) (path string, table instance.Table) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "mdserver.db")
	store, err := boltstore.Open(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Apply(t.Context(), []instance.Change{{Put: guests}}); err != nil {
		t.Fatal(err)
	}
	table, err = store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path, table
}

// copyInto copies a table into etcd as the command does, and returns the order.
func copyInto(t *testing.T, client *clientv3.Client, ours instance.Table, host string) (migrate.Order, error) {
	t.Helper()
	order := migrate.Order{To: migrate.ToEtcd, Prefix: prefix, HostID: "id-" + host, Complete: true}
	id, err := Merge(t.Context(), client, prefix, func(_ string, fleet instance.Table) (instance.Change, error) {
		c := migrate.Compare(ours, fleet, migrate.Host{Name: host, ID: "id-" + host}, order.Copied)
		if len(c.Conflicts) > 0 {
			return c.Change, migrate.ConflictsError(c.Conflicts)
		}
		order.AddCopied(c.Added())
		return c.Change, nil
	}, nil)
	order.Inventory = id
	return order, err
}

// follow opens a server's store that follows the order beside its database.
func follow(t *testing.T, client *clientv3.Client, path, name string) *host {
	t.Helper()
	cache, err := boltstore.Open(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	store, err := Open(context.Background(), Options{Client: client, Prefix: prefix, Cache: cache, Log: quiet,
		Join: func(_ context.Context, ours instance.Table) (Joining, error) {
			return migrate.NewJoin(path, prefix, migrate.Host{Name: name, ID: "id-" + name}, ours, slog.New(slog.DiscardHandler))
		}})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Open(context.Background(), store, options("10.0.0.0/16"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inv.Close() })
	return &host{Inventory: inv, store: store, path: path}
}

// TestMigration: two hosts bring their guests together, the second one after it has
// changed some, and conflicts keep all from being written.
func TestMigration(t *testing.T) {
	client := connect(t, startEtcd(t))
	var guests []instance.Instance
	for n := range 300 { // several transactions
		guests = append(guests, bare(n, ""))
	}
	first, ours := database(t, guests...)
	order, err := copyInto(t, client, ours, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Write(first); err != nil {
		t.Fatal(err)
	}
	a := follow(t, client, first, "a")
	if table := agree(t, []*host{a}); len(table.Instances) != 300 {
		t.Fatalf("%d guests, want 300", len(table.Instances))
	}

	clashing := bare(1000, "")
	clashing.IPv4 = guests[7].IPv4
	second, ours := database(t, clashing, bare(1001, ""))
	before, err := NewReader(client, prefix).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var conflicts migrate.ConflictsError
	if _, err := copyInto(t, client, ours, "b"); !errors.As(err, &conflicts) || len(conflicts) != 1 || conflicts[0].Holder != "web7" {
		t.Errorf("a conflict: %v", err)
	}
	after, err := NewReader(client, prefix).Load(t.Context())
	if diff := storetest.Diff(before, after); err != nil || diff != "" {
		t.Errorf("%v, (-before +after a conflict):\n%s", err, diff)
	}

	ours.Instances = nil
	if order, err = copyInto(t, client, ours, "b"); err != nil {
		t.Fatal(err)
	}
	if err := order.Write(second); err != nil {
		t.Fatal(err)
	}
	b := follow(t, client, second, "b")
	if reg, err := b.Register(t.Context(), dom(2000, "new")); err != nil || !reg.Instance.Unshared {
		t.Errorf("a registration while guests conflict: %+v, %v", reg.Instance, err)
	}
	if _, ok := b.Snapshot().ByName("web1001"); !ok {
		t.Error("a guest is not served while guests conflict")
	}
	if _, err := a.Release(t.Context(), "web7"); err != nil {
		t.Fatal(err)
	}
	if table := agree(t, []*host{a, b}); len(table.Instances) != 302 {
		t.Errorf("%d guests, want 302", len(table.Instances))
	}
	if o, err := migrate.ReadOrder(second); err != nil || o.To != "" {
		t.Errorf("the order is left: %+v, %v", o, err)
	}
}

// TestInterruptedMigration ends the copy after each of its transactions. It can be
// repeated, and undone.
func TestInterruptedMigration(t *testing.T) {
	cluster := startEtcd(t)
	var guests []instance.Instance
	for n := range 100 {
		guests = append(guests, bare(n, ""))
	}
	_, ours := database(t, guests...)
	client := connect(t, cluster)
	a := migrate.Host{Name: "a", ID: "id-a"}
	order := migrate.Order{To: migrate.ToEtcd, HostID: "id-a"}
	copied := func(stop int) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		writes := 0
		_, err := Merge(ctx, client, prefix, func(id string, fleet instance.Table) (instance.Change, error) {
			c := migrate.Compare(ours, fleet, a, order.Copied)
			order.Inventory = id
			order.AddCopied(c.Added())
			return c.Change, nil
		}, func(int, int) {
			if writes++; writes == stop {
				cancel()
			}
		})
		return err
	}
	load := func() instance.Table {
		table, err := NewReader(client, prefix).Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		checkClaims(t, client, table)
		return table
	}
	undo := func(_ string, fleet instance.Table) (instance.Change, error) {
		change, _ := order.Undo(fleet)
		return change, nil
	}
	for stop, part := 1, 0; part < len(guests); stop++ {
		if err := copied(stop); err == nil {
			t.Fatal("the copy was not interrupted")
		}
		if part = len(load().Instances); part == 0 || part == len(guests) && stop == 1 {
			t.Errorf("%d guests after %d transactions", part, stop)
		}
		if stop%2 == 0 {
			if err := copied(0); err != nil || len(migrate.Compare(ours, load(), a, nil).Change.Put) > 0 {
				t.Errorf("the repetition: %v", err)
			}
		}
		if _, err := Merge(t.Context(), client, prefix, undo, nil); err != nil || len(load().Instances) > 0 {
			t.Errorf("undo: %v, %d guests are left", err, len(load().Instances))
		}
	}
}
