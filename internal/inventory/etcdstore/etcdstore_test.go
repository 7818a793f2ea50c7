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
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
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
			Open: func() storage.Store { return openStore(t, client, prefix, path) },
			Read: func() storage.Reader { return NewReader(client, prefix) },
		}
	})
}
