package daemon

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/config"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/health"
	"mdserver/internal/instance"
)

// etcdConfig is a configuration of a host that shares an inventory, in a directory
// of its own.
func etcdConfig(t *testing.T, cluster *etcdtest.Cluster) *config.Config {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "mdserver.conf")
	text := fmt.Sprintf("[mdserver]\ndatabase = %[1]s/inventory.db\nidentity = %[1]s/identity.pem\ndb_file = %[1]s/none.json\nuserdata_dir = %[1]s\n"+
		"[dnsmasq]\nrun = off\n[store]\nbackend = etcd\nendpoints = %[2]s\n", dir, strings.Join(cluster.Endpoints(), ", "))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadFile(t, file)
}

func guestDomain(n byte, name string) instance.Domain {
	return instance.Domain{Name: name, UUID: uuid.UUID{15: n}, Source: instance.ByHook,
		Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, n}, Network: "mds"}}}
}

// TestEtcd: two servers share an inventory, and one starts without etcd.
func TestEtcd(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	cfg := etcdConfig(t, cluster)
	first, end := openDaemon(t, cfg, io.Discard)
	second := newDaemon(t, etcdConfig(t, cluster))
	reg, err := first.inventory.Register(t.Context(), guestDomain(1, "web"))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		guest, ok := second.inventory.Snapshot().ByName("web")
		if ok && guest.IPv4 == reg.Instance.IPv4 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the other server has %v", guest)
		}
	}
	if first.tokenKey.Text() == second.tokenKey.Text() {
		t.Error("a secret of one server is known to the other")
	}
	end()

	cluster.Members[0].Kill()
	begin := time.Now()
	again, end := openDaemon(t, cfg, io.Discard)
	defer end()
	t.Logf("the start without etcd took %v", time.Since(begin))
	if troubles := again.hostTrouble(again.config.Load()); !slices.ContainsFunc(troubles, func(tr health.Trouble) bool { return tr.Part == "etcd" }) {
		t.Errorf("nothing is reported of etcd, which is away: %+v", troubles)
	}
	if _, ok := again.inventory.Snapshot().ByAddr(reg.Instance.IPv4); !ok {
		t.Error("the guest is not served without etcd")
	}
	if again.tokenKey.Text() != first.tokenKey.Text() {
		t.Error("the key of tokens is another one")
	}
}
