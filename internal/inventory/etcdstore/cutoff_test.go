package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/programtest"
)

// allShared returns an error while a record of the host is not shared.
func (h *host) allShared() error {
	for guest := range h.Snapshot().All() {
		if guest.Unshared {
			return fmt.Errorf("%s is not shared", guest.Name)
		}
	}
	return nil
}

// started is dom as libvirt's hook reports it: the guest is the host's own.
func started(n int, name string, meta ...string) instance.Domain {
	d := dom(n, name, meta...)
	d.Source = instance.ByHook
	return d
}

// named gives hosts kvm1, kvm2, … of a cluster. They have their spare addresses.
func named(t testing.TB, cluster *testEtcd, n int, network string) []*host {
	t.Helper()
	var list []*host
	for i := range n {
		opts := options(network)
		opts.HostName = fmt.Sprint("kvm", i+1)
		opts.HostID = opts.HostName
		list = append(list, newHost(t, connect(t, cluster), opts))
	}
	for _, h := range list {
		h.replenish(t)
	}
	agree(t, list)
	return list
}

func (h *host) replenish(t testing.TB) {
	t.Helper()
	within(t, 10*time.Second, h.store.Link)
	if err := h.Replenish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// countSpares counts the spare IPv4 addresses of each host, by its ID.
func countSpares(table instance.Table) map[string]int {
	count := map[string]int{}
	for _, spare := range table.Spares {
		if spare.Addr.Is4() {
			count[spare.Owner]++
		}
	}
	return count
}

// TestCutOff: a host registers guests with no etcd, keeps them over its own end, and
// shares them when etcd is back.
func TestCutOff(t *testing.T) {
	for what, fail := range map[string]struct{ begin, end func(*testEtcd) }{
		"killed": {(*testEtcd).stop, (*testEtcd).start},
		"paused": {(*testEtcd).pause, (*testEtcd).resume},
	} {
		t.Run(what, func(t *testing.T) {
			cluster := startEtcd(t)
			list := named(t, cluster, 2, "10.0.0.0/24")
			h, other := list[0], list[1]
			known, err := h.Register(t.Context(), started(1, "known"))
			if err != nil {
				t.Fatal(err)
			}
			fail.begin(cluster)

			given := map[string]instance.Instance{}
			for n := 2; n < 6; n++ {
				reg, err := h.Register(context.Background(), started(n, fmt.Sprint("new", n)))
				if h.store.Away() == nil {
					t.Errorf("after registration %d, the next one would wait for etcd", n)
				}
				if err != nil || !reg.Instance.Unshared || !reg.Instance.IPv4.IsValid() || !reg.Instance.IPv6.IsValid() {
					t.Fatalf("registration %d: %v, %v: %+v", n, err, reg.AddressProblem, reg.Instance)
				}
				if guest, ok := h.Snapshot().ByAddr(reg.Instance.IPv4); !ok || !guest.Unshared {
					t.Errorf("%v is not served: %+v", reg.Instance.IPv4, guest)
				}
				given[reg.Instance.Name] = reg.Instance
			}
			changed := started(1, "known")
			changed.Disks = []instance.Disk{{Target: "vda", Device: "disk"}}
			if reg, err := h.Register(context.Background(), changed); err != nil || reg.Instance.IPv4 != known.Instance.IPv4 || len(reg.Instance.Disks) != 1 {
				t.Errorf("a change of a known guest: %v: %+v", err, reg.Instance)
			}
			exhausted, err := h.Register(context.Background(), started(6, "exhausted"))
			if err != nil || !errors.Is(exhausted.AddressProblem, storage.ErrAway) {
				t.Errorf("without spare addresses: %v, %v", err, exhausted.AddressProblem)
			}
			for what, change := range map[string]func() error{
				"a release": func() error { _, err := h.Release(context.Background(), "known"); return err },
				"a rename":  func() error { _, err := h.Register(context.Background(), started(1, "renamed")); return err },
			} {
				if err := change(); !errors.Is(err, inventory.ErrStore) {
					t.Errorf("%s: %v", what, err)
				}
			}

			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			opts := options("10.0.0.0/24")
			opts.HostID, opts.HostName = "kvm1", "kvm1"
			again := openHost(t, connect(t, cluster), h.path, opts)
			for name, want := range given {
				if guest, ok := again.Snapshot().ByName(name); !ok || guest.IPv4 != want.IPv4 || !guest.Unshared {
					t.Errorf("after a restart %s is %+v, want %v", name, guest, want.IPv4)
				}
			}

			fail.end(cluster)
			within(t, 10*time.Second, again.allShared)
			table := agree(t, []*host{again, other})
			for _, guest := range table.Instances {
				if want, ok := given[guest.Name]; ok && (guest.IPv4 != want.IPv4 || guest.IPv6 != want.IPv6 || guest.ID != want.ID) {
					t.Errorf("%s has changed: %+v, want %+v", guest.Name, guest, want)
				}
				if !guest.IPv4.IsValid() {
					t.Errorf("%s has no address", guest.Name)
				}
				if guest.Name == "known" && len(guest.Disks) != 1 {
					t.Errorf("the change of the known guest is lost")
				}
			}
			if len(table.Instances) != 6 {
				t.Errorf("%d guests, want 6", len(table.Instances))
			}
			if left, err := again.store.Unshared(t.Context()); err != nil || len(left) > 0 {
				t.Errorf("%d records are left in the journal: %v", len(left), err)
			}
			again.replenish(t)
			if got := countSpares(agree(t, []*host{again, other}))[again.store.id]; got != 6 {
				t.Errorf("%d spare addresses, want as many as there were new guests on this host: 6", got)
			}
		})
	}
}

// TestDetachUnshared: a host that leaves etcd keeps the guests that were not shared.
func TestDetachUnshared(t *testing.T) {
	cluster := startEtcd(t)
	h := named(t, cluster, 1, "10.0.0.0/24")[0]
	cluster.stop()
	reg, err := h.Register(context.Background(), started(1, "web"))
	if err != nil || !reg.Instance.Unshared {
		t.Fatalf("%v: %+v", err, reg.Instance)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	database, err := boltstore.Open(h.path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	if err := Detach(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	table, err := database.Load(t.Context())
	if err != nil || len(table.Instances) != 1 || table.Instances[0].IPv4 != reg.Instance.IPv4 || table.Instances[0].Unshared {
		t.Errorf("%v: %+v", err, table.Instances)
	}
	notes, err := database.Notes(t.Context())
	if err != nil || slices.ContainsFunc(slices.Collect(maps.Keys(notes)), storage.IsMomentary) {
		t.Errorf("notes that are true only with etcd are left: %v", err)
	}
}

// TestMeanwhile: what another host has got while a host was cut off stays that of the
// other host's guest, and the guest that was cut off gets something else.
func TestMeanwhile(t *testing.T) {
	programtest.Need(t, "etcd", "etcd-server") // it takes long, so it runs with a real etcd only
	for _, tt := range []struct {
		name        string
		cutOff      instance.Domain
		connected   instance.Domain
		left        int // guests
		name2, dns2 string
		wanted      instance.Wanted
	}{
		{"name", dom(1, "web"), dom(2, "web"), 2, uid(1).String(), "web-", instance.Wanted{Name: "web", Hostname: "web"}},
		{"host name", dom(1, "Web"), dom(2, "web"), 2, "Web", "Web-", instance.Wanted{Hostname: "Web"}},
		{"name in DNS", dom(1, "lab-web"), dom(2, "web"), 2, "lab-web", "lab-web-", instance.Wanted{Hostname: "lab-web"}},
		{"requested host name", dom(1, "a", "hostname", "web"), dom(2, "b", "hostname", "web"), 2, "a", "web-", instance.Wanted{Hostname: "web"}},
		{"UUID", dom(1, "a"), dom(1, "b"), 1, "b", "b", instance.Wanted{}},
		{"MAC address", dom(1, "a"), func() instance.Domain { d := dom(2, "b"); d.Interfaces = dom(1, "").Interfaces; return d }(), 1, "b", "b", instance.Wanted{}},
		{"requested address", dom(1, "a", "ipv4", "10.0.0.99"), dom(2, "b", "ipv4", "10.0.0.99"), 2, "a", "a", instance.Wanted{}},
		{"nothing", dom(1, "a"), dom(2, "b"), 2, "a", "a", instance.Wanted{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := connect(t, startEtcd(t))
			opts := options("10.0.0.0/16") // where few addresses are spare
			opts.HostID, opts.HostName = "kvm1", "kvm1"
			h := newLossyHost(t, client, opts)
			cut := h.lossy
			opts.HostID, opts.HostName = "kvm2", "kvm2"
			other := newHost(t, client, opts)
			h.replenish(t)
			other.replenish(t)

			cut.lose.Store(1 << 20)
			tt.cutOff.Source, tt.connected.Source = instance.ByHook, instance.ByHook
			mine, err := h.Register(context.Background(), tt.cutOff)
			if err != nil || !mine.Instance.Unshared {
				t.Fatalf("cut off: %v: %+v", err, mine.Instance)
			}
			theirs, err := other.Register(t.Context(), tt.connected)
			if err != nil {
				t.Fatal(err)
			}
			cut.lose.Store(0)
			within(t, 10*time.Second, h.allShared)
			table := agree(t, []*host{h, other})
			if len(table.Instances) != tt.left {
				t.Errorf("%d guests, want %d: %+v", len(table.Instances), tt.left, table.Instances)
			}
			for _, guest := range table.Instances {
				if guest.UUID == theirs.Instance.UUID && (guest.Name != theirs.Instance.Name || guest.Hostname != theirs.Instance.Hostname || guest.IPv4 != theirs.Instance.IPv4) {
					t.Errorf("the earlier one was changed: %+v, want %+v", guest, theirs.Instance)
				}
			}
			if guest, ok := h.Snapshot().ByUUID(mine.Instance.UUID); ok {
				if !strings.HasPrefix(guest.Name, tt.name2) || !strings.HasPrefix(guest.Hostname, tt.dns2) || !guest.IPv4.IsValid() && tt.name != "requested address" {
					t.Errorf("the later one is %q with the host name %q and %v", guest.Name, guest.Hostname, guest.IPv4)
				}
				if guest.Wanted != tt.wanted {
					t.Errorf("it lacks the names %+v, want %+v", guest.Wanted, tt.wanted)
				}
			} else if _, told := h.Refusals().Of(mine.Instance.UUID); !told {
				t.Error("nothing tells that the guest was dropped")
			}
			if _, ok := other.Snapshot().ByAddr(mine.Instance.IPv4); mine.Instance.IPv4.IsValid() && tt.left == 2 && !ok {
				t.Errorf("the address %v that was given is no guest's", mine.Instance.IPv4)
			}
		})
	}
}

// TestNamesOfOthers: a guest lacks the names that a guest of another host has, and has
// them when that one is gone.
func TestNamesOfOthers(t *testing.T) {
	list := named(t, startEtcd(t), 2, "10.0.0.0/24")
	if _, err := list[0].Register(t.Context(), started(1, "web")); err != nil {
		t.Fatal(err)
	}
	agree(t, list)
	for range 2 { // and at its next start
		reg, err := list[1].Register(t.Context(), started(2, "web"))
		if err != nil || reg.Instance.Name != uid(2).String() || reg.Instance.Wanted.Name != "web" {
			t.Errorf("%v: %q, and it lacks %+v", err, reg.Instance.Name, reg.Instance.Wanted)
		}
	}
	if _, err := list[0].Release(t.Context(), uid(1).String()); err != nil {
		t.Fatal(err)
	}
	agree(t, list)
	if reg, err := list[1].Register(t.Context(), started(2, "web")); err != nil || reg.Instance.Name != "web" || reg.Instance.Wanted != (instance.Wanted{}) {
		t.Errorf("after the other one is gone: %v: %q, and it lacks %+v", err, reg.Instance.Name, reg.Instance.Wanted)
	}
}

// TestSmallNetwork: spare addresses keep no guest from one while etcd answers.
func TestSmallNetwork(t *testing.T) {
	cluster := startEtcd(t)
	list := named(t, cluster, 5, "10.0.0.0/27") // 30 addresses
	total := 0
	for id, n := range countSpares(agree(t, list)) {
		total += n
		if n > 3 {
			t.Errorf("the host %s has %d spare addresses of 30", id, n)
		}
	}
	if total < 5 {
		t.Errorf("5 hosts have %d spare addresses", total)
	}
	for n := range 30 {
		h := list[n%len(list)]
		reg, err := h.Register(t.Context(), dom(n, fmt.Sprint("g", n)))
		if err != nil || !reg.Instance.IPv4.IsValid() {
			t.Fatalf("guest %d of 30: %v, %v", n, err, reg.AddressProblem)
		}
		for _, h := range list { // as the server does after each change
			if err := h.Replenish(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left := countSpares(agree(t, list)); len(left) > 0 {
		t.Errorf("a full network has spare addresses: %v", left)
	}
	if reg, err := list[0].Register(t.Context(), dom(30, "one more")); err != nil || !errors.Is(reg.AddressProblem, denied.ErrNetworkFull) {
		t.Errorf("one more: %v, %v", err, reg.AddressProblem)
	}
}

// TestGivenBack: the spare addresses of a host that is forgotten, and of a network
// that is gone, are free again.
func TestGivenBack(t *testing.T) {
	cluster := startEtcd(t)
	list := named(t, cluster, 2, "10.0.0.0/24")
	if _, err := list[0].ForgetHost(t.Context(), list[1].store.id); err != nil {
		t.Fatal(err)
	}
	table := agree(t, list)
	if got := countSpares(table); got[list[0].store.id] != 4 || got[list[1].store.id] != 0 {
		t.Errorf("after kvm2 is forgotten: %v", got)
	}
	for _, spare := range table.Spares {
		if spare.Host != "kvm1" || spare.Network != "mds" {
			t.Errorf("%+v", spare)
		}
	}
	opts := options("10.0.1.0/24")
	opts.Networks[0].Name, opts.HostID, opts.HostName = "other", "kvm1", "kvm1"
	list[0].Reconfigure(opts)
	list[0].replenish(t)
	for _, spare := range agree(t, list).Spares {
		if spare.Network != "other" || spare.Addr.Is4() && !opts.Networks[0].IPv4.Contains(spare.Addr) {
			t.Errorf("a spare address of a network that is gone: %+v", spare)
		}
	}
}

// TestDrained: a host that is out of service has no spare addresses, serves its guests,
// and claims addresses again afterwards.
func TestDrained(t *testing.T) {
	cluster := startEtcd(t)
	list := named(t, cluster, 2, "10.0.0.0/24")
	drained := true
	opts := options("10.0.0.0/24")
	opts.HostID, opts.HostName, opts.Drained = "kvm1", "kvm1", func() bool { return drained }
	list[0].Reconfigure(opts)
	list[0].replenish(t)
	if got := countSpares(agree(t, list)); got[list[0].store.id] != 0 || got[list[1].store.id] != 4 {
		t.Errorf("drained: %v", got)
	}
	if reg, err := list[0].Register(t.Context(), started(1, "web")); err != nil || !reg.Instance.IPv4.IsValid() {
		t.Errorf("a guest that starts anyway: %v: %+v", err, reg.Instance)
	}
	drained = false
	list[0].replenish(t)
	if got := countSpares(agree(t, list)); got[list[0].store.id] != 4 {
		t.Errorf("back in service: %v", got)
	}
}

// TestSpareOfAnother: an address that another host may have given is refused.
func TestSpareOfAnother(t *testing.T) {
	cluster := startEtcd(t)
	list := named(t, cluster, 2, "10.0.0.0/24")
	for _, spare := range agree(t, list).Spares {
		if !spare.Addr.Is4() {
			continue
		}
		own := spare.Owner == list[0].store.id
		reg, err := list[0].Register(t.Context(), dom(int(spare.Addr.As4()[3]), "g"+spare.Addr.String(), "ipv4", spare.Addr.String()))
		if own && (err != nil || reg.Instance.IPv4 != spare.Addr) || !own && !errors.Is(err, denied.ErrAddressTaken) {
			t.Errorf("a spare address, own: %v: %v, %v", own, reg.Instance.IPv4, err)
		}
	}
	agree(t, list)
}

// lost collects the guests that a host reports as not kept.
type lost struct {
	slog.Handler
	mu    sync.Mutex
	names map[string]bool
}

func (l *lost) Enabled(context.Context, slog.Level) bool { return true }

func (l *lost) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelError {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "guest" {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.names[a.Value.String()] = true
			}
			return true
		})
	}
	return nil
}

// flaky is a host that loses etcd, and ends, at any time.
type flaky struct {
	*host
	kv     *lossyKV
	client *clientv3.Client
	opts   inventory.Options
	lost   *lost
	given  map[uuid.UUID]instance.Instance // the last answer of each guest
}

func newFlaky(t *testing.T, client *clientv3.Client, opts inventory.Options) *flaky {
	f := &flaky{kv: &lossyKV{KV: client.KV}, lost: &lost{Handler: slog.DiscardHandler, names: map[string]bool{}}, given: map[uuid.UUID]instance.Instance{}}
	f.client = clientv3.NewCtxClient(t.Context())
	f.client.KV, f.client.Watcher = f.kv, client.Watcher
	opts.Log = slog.New(f.lost)
	f.opts = opts
	f.host = newHost(t, f.client, opts)
	return f
}

// restart opens the host again with what its disk has now, as after a kill.
func (f *flaky) restart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.db")
	copyDatabase(t, f.path, path)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	f.host = openHost(t, f.client, path, f.opts)
}

// anything registers guests of this host while it loses etcd and gets it back.
func (f *flaky) anything(t *testing.T, self int, dice *rand.Rand) {
	for range 20 {
		switch dice.IntN(8) {
		case 0:
			f.kv.make.Store(dice.IntN(2) == 0)
			f.kv.lose.Store(1 << 20)
		case 1:
			f.kv.lose.Store(0)
		case 2:
			f.kv.lose.Store(int32(dice.IntN(3)))
		case 3:
			_ = f.Replenish(context.Background()) // it may fail
		case 4:
			if dice.IntN(3) == 0 {
				f.restart(t)
			}
		}
		n := dice.IntN(12)
		d := dom(1000*self+n, strings.Repeat("=", 12*self+n)+[]string{"web", "db", "lab-web"}[n%3])
		if dice.IntN(8) == 0 {
			d.Interfaces[0].MAC = instance.MAC{0x52, 0x54, 0, 0xff, 0, byte(n)}
		}
		d.Source, d.Disks = instance.ByHook, []instance.Disk{{Target: fmt.Sprint("vd", dice.IntN(3)), Device: "disk"}}
		reg, err := f.Register(context.Background(), d)
		switch {
		case err == nil:
			f.given[d.UUID] = reg.Instance
		case errors.Is(err, storage.ErrUncertain): // it may have been made
			delete(f.given, d.UUID)
		}
	}
}

// TestAnySequenceCutOff: hosts that lose etcd at any time register guests. At the end
// all agree, nothing belongs to two guests, and what was answered is there.
func TestAnySequenceCutOff(t *testing.T) {
	programtest.Need(t, "etcd", "etcd-server") // it takes long, so it runs with a real etcd only
	for _, n := range []int{2, 5} {
		t.Run(fmt.Sprint(n, " hosts"), func(t *testing.T) {
			cluster := startEtcd(t)
			var list []*flaky
			for i := range n {
				opts := options("10.0.0.0/24")
				opts.HostName = fmt.Sprint("kvm", i+1)
				opts.HostID = opts.HostName
				f := newFlaky(t, connect(t, cluster), opts)
				f.replenish(t)
				list = append(list, f)
			}
			for round := range 3 {
				var all sync.WaitGroup
				for i, f := range list {
					all.Go(func() { f.anything(t, i, rand.New(rand.NewPCG(uint64(round), uint64(i)))) })
				}
				all.Wait()
				var healed []*host
				for _, f := range list {
					f.kv.lose.Store(0)
					healed = append(healed, f.host)
				}
				for _, h := range healed {
					within(t, 15*time.Second, h.allShared)
				}
				table := agree(t, healed)
				for _, f := range list {
					f.checkGiven(t, table)
				}
			}
		})
	}
}

func (f *flaky) checkGiven(t *testing.T, table instance.Table) {
	t.Helper()
	for id, want := range f.given {
		i := slices.IndexFunc(table.Instances, func(guest instance.Instance) bool { return guest.UUID == id })
		switch {
		case f.lost.names[want.Name]:
			delete(f.given, id) // it was told
		case i < 0:
			t.Errorf("%s: %q is lost: %+v", f.opts.HostName, want.Name, want)
		case want.IPv4.IsValid() && table.Instances[i].IPv4 != want.IPv4, table.Instances[i].ID != want.ID, table.Instances[i].MAC != want.MAC,
			!slices.Equal(table.Instances[i].Disks, want.Disks):
			t.Errorf("%s: %q has changed (-answered +shared): %s", f.opts.HostName, want.Name,
				storetest.Diff(instance.Table{Instances: []instance.Instance{want}}, instance.Table{Instances: table.Instances[i : i+1]}))
		}
	}
}
