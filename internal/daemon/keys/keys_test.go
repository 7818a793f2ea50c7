package keys

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/hostkeys"
	"mdserver/internal/inventory"
	"mdserver/internal/sealed"
)

// openShared is a new host that shares an inventory in etcd, and its keys by the key in
// a file.
func openShared(t *testing.T, cluster *etcdtest.Cluster, file string) *Keys {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	cfg := config.Default()
	cfg.Server.Database, cfg.Server.Identity = filepath.Join(dir, "inventory.db"), filepath.Join(dir, "identity.pem")
	cfg.Store.Backend, cfg.Store.Endpoints, cfg.Store.Key = config.BackendEtcd, cluster.Endpoints(), file
	s, err := store.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.CloseEtcd() })
	inv, err := inventory.Open(t.Context(), s.Inventory, inventory.Options{HostID: s.HostID, HostName: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	k, err := Open(t.Context(), cfg, s.Database, log)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := hostkeys.OpenAuthority(t.Context(), s.Database)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Share(t.Context(), cfg, s.SharedNotes(), authority.Refresh); err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSharedKeys: hosts with the same key file use the same keys. One that starts while
// etcd is away gets them later, and uses them after a restart.
func TestSharedKeys(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	file := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(file, []byte(sealed.NewKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *Keys { return openShared(t, cluster, file) }
	same := func(a, b *Keys) bool { return a.TokenKey.Text() == b.TokenKey.Text() }
	first, second := start(), start()
	if !same(first, second) || !first.used || !second.used {
		t.Error("the two hosts do not use the same key of tokens")
	}
	if restart, err := second.exchange(t.Context()); restart || err != nil {
		t.Errorf("a host with the shared keys: restart %v, %v", restart, err)
	}

	cluster.Members[0].Pause()
	late := start()
	if same(first, late) || len(late.Trouble()) != 1 {
		t.Errorf("a host that started without etcd: trouble %+v", late.Trouble())
	}
	cluster.Members[0].Resume()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		restart, err := late.exchange(t.Context())
		if err == nil {
			if !restart {
				t.Error("the host got other keys than it uses, and needs no restart")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	own, err := late.own(t.Context())
	if err != nil || own[tokenKeyName] != first.TokenKey.Text() {
		t.Errorf("the host has not kept the shared key of tokens: %v", err)
	}
}
