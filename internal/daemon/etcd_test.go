package daemon

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/health"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/libvirt/watch"
)

// etcdConfig is a configuration of a host that shares an inventory, in a directory
// of its own.
func etcdConfig(t *testing.T, cluster *etcdtest.Cluster, network ...string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "mdserver.conf")
	text := fmt.Sprintf("[mdserver]\ndatabase = %[1]s/inventory.db\nidentity = %[1]s/identity.pem\ndb_file = %[1]s/none.json\nuserdata_dir = %[1]s\n"+
		"[dnsmasq]\nrun = off\n%[3]s[store]\nbackend = etcd\nendpoints = %[2]s\n", dir, strings.Join(cluster.Endpoints(), ", "), strings.Join(network, ""))
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
	if first.keys.TokenKey.Text() == second.keys.TokenKey.Text() {
		t.Error("a secret of one server is known to the other")
	}
	ctx, stop := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { first.store.Fleet.Run(ctx) })
	keeping.Go(func() { first.hosts.Follow(ctx) })
	for deadline := time.Now().Add(20 * time.Second); len(first.inventory.Snapshot().Spares()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the host claims no addresses")
		}
	}
	stop()
	keeping.Wait()
	if s := first.status().Store; !s.Connected || s.Revision == 0 || s.Staleness > 10 || s.Members != 1 || s.Usable != 1 || s.Unshared != 0 || !s.Drained.IsZero() ||
		len(s.Spares) != 1 || s.Spares[0].Network != "mds" || s.Spares[0].Family != "ipv4" || s.Spares[0].Addresses != 4 {
		t.Errorf("the store: %+v", s)
	}
	end()

	cluster.Members[0].Kill()
	begin := time.Now()
	again, end := openDaemon(t, cfg, io.Discard)
	defer end()
	t.Logf("the start without etcd took %v", time.Since(begin))
	if parts := again.reporter.Health(); !slices.ContainsFunc(parts, func(p health.Part) bool { return p.Name == "etcd" && len(p.Trouble) > 0 }) {
		t.Errorf("nothing is reported of etcd, which is away: %+v", parts)
	}
	if _, ok := again.inventory.Snapshot().ByAddr(reg.Instance.IPv4); !ok {
		t.Error("the guest is not served without etcd")
	}
	begin = time.Now()
	cutOff, err := again.inventory.Register(t.Context(), guestDomain(2, "new"))
	t.Logf("a registration without etcd took %v", time.Since(begin))
	if err != nil || !cutOff.Instance.Unshared || !cutOff.Instance.IPv4.IsValid() {
		t.Errorf("a new guest without etcd: %v: %+v", err, cutOff.Instance)
	}
	if troubles := again.hosts.Trouble(); !slices.ContainsFunc(troubles, func(tr health.Trouble) bool { return strings.Contains(tr.Message, ": new") }) {
		t.Errorf("nothing is reported of the guest that is not shared: %+v", troubles)
	}
	if s := again.status().Store; s.Connected || s.Error == "" || s.Revision != 0 || s.Staleness <= 0 || s.Usable != 0 || s.Unshared != 1 || s.Spares[0].Addresses != 3 {
		t.Errorf("the store without etcd: %+v", s)
	}
	if b, err := again.upkeep.Backup(t.Context()); err != nil || slices.ContainsFunc(slices.Collect(maps.Keys(b.Notes)), storage.IsMomentary) {
		t.Errorf("a backup has notes that are true only now: %v", err)
	}
	if again.keys.TokenKey.Text() != first.keys.TokenKey.Text() {
		t.Error("the key of tokens is another one")
	}
}

// TestScopeHost: of two servers with ranges of their own, one that starts or applies
// its networks leaves the other's guest alone, and does not count its address.
func TestScopeHost(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	const network = "scope = host\nnet_prefix = 24\nnet_address = 10.122.%[1]d.0\ngateway = 10.122.%[1]d.1\n"
	first := newDaemon(t, etcdConfig(t, cluster, fmt.Sprintf(network, 1)))
	if _, err := first.inventory.Register(t.Context(), guestDomain(1, "web")); err != nil {
		t.Fatal(err)
	}
	second := newDaemon(t, etcdConfig(t, cluster, fmt.Sprintf(network, 2)))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, ok := second.inventory.Snapshot().ByName("web"); ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other server does not know the guest")
		}
	}
	if err := second.applier.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := second.inventory.Register(t.Context(), guestDomain(2, "db")); err != nil {
		t.Fatal(err)
	}
	guests := second.inventory.Snapshot()
	for name, want := range map[string]string{"web": "10.122.1.0/24", "db": "10.122.2.0/24"} {
		if guest, ok := guests.ByName(name); !ok || !netip.MustParsePrefix(want).Contains(guest.IPv4) {
			t.Errorf("%s has %v, want an address in %s", name, guest, want)
		}
	}
	n := second.status().Networks[0]
	if n.Scope != config.ScopeHost || n.Guests != 2 || n.Used != 1 || n.Free != 252 || !slices.Equal(n.Ranges, []string{"10.122.2.2-10.122.2.254"}) {
		t.Errorf("the network is %+v", n)
	}
}

// TestContested: a server whose libvirt runs a guest that another host has and runs
// tells so.
func TestContested(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	first, second := newDaemon(t, etcdConfig(t, cluster)), newDaemon(t, etcdConfig(t, cluster))
	domain := watch.Domain{Domain: guestDomain(1, "web"), Running: true}
	seen := func(d *Daemon) {
		t.Helper()
		if err := d.libvirt.presence.Seen(t.Context(), domain); err != nil {
			t.Fatal(err)
		}
	}
	seen(first)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if guest, ok := second.inventory.Snapshot().ByName("web"); ok && guest.HostID == first.store.HostID && !guest.Unshared {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the other server does not know the guest")
		}
	}
	seen(second)
	guest, _ := second.inventory.Snapshot().ByName("web")
	if found := second.status().Store.Contested; len(found) != 1 || found[0].Name != "web" || found[0].Host != guest.Host || guest.HostID != first.store.HostID {
		t.Errorf("contested: %+v; the guest is %+v", found, guest.Home)
	}
	if why := second.explain(t.Context(), guest).Missing; !slices.ContainsFunc(why, func(text string) bool { return strings.HasPrefix(text, "it runs here and on the host "+guest.Host) }) {
		t.Errorf("the explanation does not tell it: %q", why)
	}
	if found := first.status().Store.Contested; len(found) > 0 {
		t.Errorf("on the host that has it: %+v", found)
	}
}

// TestWaitForAHost: who waits for progress is told when a host is drained.
func TestWaitForAHost(t *testing.T) {
	d := newDaemon(t, etcdConfig(t, etcdtest.Start(t, etcdtest.Options{})))
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	var following sync.WaitGroup
	defer following.Wait()
	defer stop()
	following.Go(func() { d.store.Fleet.Run(ctx) })
	following.Go(func() { d.hosts.Follow(ctx) })
	for (len(d.hosts.List()) == 0 || !d.status().Store.Connected) && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	since := d.timeline.Revision()
	if _, err := d.hosts.Drain(ctx, d.store.HostID, true); err != nil {
		t.Fatal(err)
	}
	if p := d.boots.Progress(ctx, api.ProgressQuery{Refs: []string{"none"}, Since: since, Wait: time.Minute}); p.Revision <= since || ctx.Err() != nil {
		t.Errorf("revision %d after %d: %v", p.Revision, since, ctx.Err())
	}
}
