package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/sealed"
)

// TestSharedKeys: hosts with the same key file use the same keys. One that starts while
// etcd is away gets them later, and uses them after a restart.
func TestSharedKeys(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	file := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(file, []byte(sealed.NewKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *Daemon {
		cfg := etcdConfig(t, cluster)
		cfg.Store.Key = file
		return newDaemon(t, cfg)
	}
	same := func(a, b *Daemon) bool { return a.tokenKey.Text() == b.tokenKey.Text() }
	first, second := start(), start()
	if !same(first, second) || !first.keys.used || !second.keys.used {
		t.Error("the two hosts do not use the same key of tokens")
	}
	if restart, err := second.exchangeKeys(t.Context()); restart || err != nil {
		t.Errorf("a host with the shared keys: restart %v, %v", restart, err)
	}

	cluster.Members[0].Pause()
	late := start()
	if same(first, late) || len(late.keysTrouble()) != 1 {
		t.Errorf("a host that started without etcd: trouble %+v", late.keysTrouble())
	}
	cluster.Members[0].Resume()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		restart, err := late.exchangeKeys(t.Context())
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
	own, err := late.ownKeys(t.Context())
	if err != nil || own[tokenKeyName] != first.tokenKey.Text() {
		t.Errorf("the host has not kept the shared key of tokens: %v", err)
	}
}
