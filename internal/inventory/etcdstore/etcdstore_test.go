package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mdserver/internal/config"
	"mdserver/internal/etcd"
	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/programtest"
)

var quiet = slog.New(slog.DiscardHandler)

// testEtcd is a real etcd, or one in memory if tests skip programs.
type testEtcd struct {
	real *etcdtest.Cluster
	fake *etcdfake.Etcd
}

func startEtcd(t testing.TB) *testEtcd {
	t.Helper()
	if programtest.Skipped() {
		return &testEtcd{fake: etcdfake.New()}
	}
	return &testEtcd{real: etcdtest.Start(t, etcdtest.Options{})}
}

// stop ends etcd until start is called.
func (e *testEtcd) stop() {
	if e.fake != nil {
		e.fake.Refuse(func(string, string) error { return status.Error(codes.Unavailable, "etcd is away") })
		e.fake.EndWatches(clientv3.WatchResponse{Canceled: true, CancelReason: "etcd is away"})
		return
	}
	e.real.Members[0].Kill()
}

func (e *testEtcd) start() {
	if e.fake != nil {
		e.fake.Refuse(nil)
		return
	}
	e.real.Members[0].Start()
	e.real.Members[0].WaitUsable()
}

// pause keeps etcd from answering until resume is called.
func (e *testEtcd) pause() {
	if e.fake != nil {
		e.fake.Hang(true)
		return
	}
	e.real.Members[0].Pause()
}

func (e *testEtcd) resume() {
	if e.fake != nil {
		e.fake.Hang(false)
		return
	}
	e.real.Members[0].Resume()
	e.real.Members[0].WaitUsable()
}

// connect opens a client as the server does.
func connect(t testing.TB, cluster *testEtcd) *clientv3.Client {
	t.Helper()
	if cluster.fake != nil {
		return cluster.fake.Client(context.Background())
	}
	client, err := etcd.Open(context.Background(), cluster.real.Config(), quiet)
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

// TestEnd checks that a store stops following etcd at the end of its context and on Close,
// and that only Close closes the cache.
func TestEnd(t *testing.T) {
	for name, end := range map[string]func(s *Store, cancel func()) error{
		"of the context": func(s *Store, cancel func()) error {
			cancel()
			<-s.done
			_, err := s.cache.Load(context.Background())
			return errors.Join(err, s.Close())
		},
		"by Close": func(s *Store, _ func()) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			cache, err := boltstore.Open(filepath.Join(t.TempDir(), "cache.db"), quiet)
			if err != nil {
				t.Fatal(err)
			}
			client, err := etcd.Open(t.Context(), config.Store{Endpoints: []string{"http://127.0.0.1:1"}}, quiet)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := Open(ctx, Options{Client: client.Client, Prefix: "/", Cache: cache, Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			if err := end(s, cancel); err != nil {
				t.Error(err)
			}
			select {
			case <-s.done:
			default:
				t.Error("it still follows etcd")
			}
			if _, err := cache.Load(t.Context()); err == nil {
				t.Error("the cache is still open")
			}
		})
	}
}

func TestContract(t *testing.T) {
	client := connect(t, startEtcd(t))
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
