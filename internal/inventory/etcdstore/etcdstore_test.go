package etcdstore

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

// connect opens a client as the server does.
func connect(t testing.TB, cluster *etcdtest.Cluster) *clientv3.Client {
	t.Helper()
	client, err := etcd.Open(cluster.Config(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client.Client
}

// openStore opens a store whose cache is a database at path.
func openStore(t testing.TB, client *clientv3.Client, prefix, path string) *Store {
	t.Helper()
	cache, err := boltstore.Open(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	store, err := Open(context.Background(), Options{Client: client, Prefix: prefix, Cache: cache, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestContract(t *testing.T) {
	client := connect(t, etcdtest.Start(t, etcdtest.Options{}))
	n := 0
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		n++
		prefix, path := fmt.Sprintf("/mdserver/%d/", n), filepath.Join(t.TempDir(), "cache.db")
		return storetest.Opener{
			Open: func() inventory.Store { return openStore(t, client, prefix, path) },
			Read: func() inventory.Reader { return NewReader(client, prefix) },
		}
	})
}

// TestUnknownMembers: an older host keeps what a newer one has written.
func TestUnknownMembers(t *testing.T) {
	const newer = `{"v":2,"instance_id":"i-1","name":"web","hostname":"web","uuid":"3b5c1d2e-0000-4000-8000-000000000001","color":{"deep":[1]}}`
	guest, unknown, err := decode[instance.Instance]([]byte(newer), guestMembers)
	if err != nil || guest.Name != "web" {
		t.Fatalf("%+v, %v", guest, err)
	}
	guest.Name = "renamed"
	text, err := encode(guest, unknown)
	if err != nil {
		t.Fatal(err)
	}
	again, kept, err := decode[instance.Instance]([]byte(text), guestMembers)
	if err != nil || again.Name != "renamed" || string(kept["color"]) != `{"deep":[1]}` || string(kept["v"]) != "2" {
		t.Errorf("%s: %v, %v", text, kept, err)
	}
	for name := range guestMembers {
		if _, ok := unknown[name]; ok {
			t.Errorf("%s counts as unknown", name)
		}
	}
}
