package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
)

const prefix = "/mdserver/"

// options are those of all hosts, on a small network with a domain.
func options(network string) inventory.Options {
	return inventory.Options{
		Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix(network),
			IPv6: netip.MustParsePrefix("fd00::/64"), NamePrefix: "lab-", Domain: "example.org"}},
		Quarantine: time.Hour,
	}
}

// host is one of several with the same inventory.
type host struct {
	*inventory.Inventory
	store *Store
	path  string
	lossy *lossyKV // of a lossy host
}

func newHost(t testing.TB, client *clientv3.Client, opts inventory.Options) *host {
	t.Helper()
	return openHost(t, client, filepath.Join(t.TempDir(), "cache.db"), opts)
}

func openHost(t testing.TB, client *clientv3.Client, path string, opts inventory.Options) *host {
	t.Helper()
	store := openStore(t, client, prefix, path)
	inv, err := inventory.Open(context.Background(), store, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inv.Close(); err != nil {
			t.Error(err)
		}
	})
	return &host{Inventory: inv, store: store, path: path}
}

func hosts(t testing.TB, n int, opts inventory.Options) []*host {
	t.Helper()
	cluster := startEtcd(t)
	var list []*host
	for range n {
		list = append(list, newHost(t, connect(t, cluster), opts))
	}
	for _, h := range list {
		within(t, 10*time.Second, h.store.Link)
	}
	return list
}

func uid(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)) }

// dom is a domain whose UUID and MAC address follow from n; meta is pairs of
// metadata keys and values.
func dom(n int, name string, meta ...string) instance.Domain {
	d := instance.Domain{Name: name, UUID: uid(n),
		Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)}, Network: "mds"}}}
	for i := 0; i < len(meta); i += 2 {
		if d.Metadata.Values == nil {
			d.Metadata.Values = map[string]string{}
		}
		d.Metadata.Values[meta[i]] = meta[i+1]
	}
	return d
}

// within waits until f returns nil.
func within(t testing.TB, limit time.Duration, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("after %v: %v", limit, err)
}

// agree waits until all hosts have the table that is in etcd and, except for the
// cache of a host that is still writing, on their disks, and checks it.
func agree(t testing.TB, list []*host) instance.Table {
	t.Helper()
	var table instance.Table
	within(t, 10*time.Second, func() (err error) {
		if table, err = NewReader(list[0].store.client, prefix).Load(context.Background()); err != nil {
			return err
		}
		for i, h := range list {
			if diff := storetest.Diff(table, h.Snapshot().Table()); diff != "" {
				return fmt.Errorf("host %d (-etcd +snapshot):\n%s", i, diff)
			}
			cached, err := h.store.Load(context.Background())
			if err != nil {
				return err
			}
			own := func(spare instance.Spare) bool { return spare.Owner == h.store.id }
			if diff := storetest.Diff(instance.Table{Spares: only(table.Spares, own)}, instance.Table{Spares: cached.Spares}); diff != "" {
				return fmt.Errorf("host %d (-etcd +cache):\n%s", i, diff)
			}
			cached.Spares = table.Spares
			if diff := storetest.Diff(table, cached); diff != "" {
				return fmt.Errorf("host %d (-etcd +cache):\n%s", i, diff)
			}
		}
		return nil
	})
	checkUnique(t, table)
	checkClaims(t, list[0].store.client, table)
	return table
}

func only[T any](list []T, wanted func(T) bool) (found []T) {
	for _, one := range list {
		if wanted(one) {
			found = append(found, one)
		}
	}
	return found
}

// checkUnique checks that nothing belongs to two guests.
func checkUnique(t testing.TB, table instance.Table) {
	t.Helper()
	owner := map[string]string{}
	once := func(what string, value any, name string) {
		key := fmt.Sprint(what, " ", value)
		if other, ok := owner[key]; ok && other != name {
			t.Errorf("%s of both %q and %q", key, other, name)
		}
		owner[key] = name
	}
	network := options("10.0.0.0/28").Networks[0]
	for _, guest := range table.Instances {
		who := fmt.Sprintf("%s (%s)", guest.Name, guest.UUID)
		once("UUID", guest.UUID, who)
		once("name", guest.Name, who)
		once("instance-id", guest.ID, who)
		for _, name := range network.DNSNames(guest.Hostname) {
			once("name in DNS", strings.ToLower(name), who)
		}
		once("MAC", guest.MAC, who)
		for _, addr := range guest.Addrs() {
			once("address", addr, who)
		}
	}
	for _, resting := range table.Resting {
		once("address", resting.Addr, "a guest that was released")
	}
	for _, spare := range table.Spares {
		once("address", spare.Addr, "the spares of "+spare.Owner)
	}
}

// checkClaims checks that etcd's claims are those of the guests.
func checkClaims(t testing.TB, client *clientv3.Client, table instance.Table) {
	t.Helper()
	resp, err := client.Get(context.Background(), prefix+"claims/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, kv := range resp.Kvs {
		have[strings.TrimPrefix(string(kv.Key), prefix)] = string(kv.Value)
	}
	for _, guest := range table.Instances {
		for _, key := range claims(&guest) {
			if have[key] != guest.UUID.String() {
				t.Errorf("%s has the guest %q, want %s", key, have[key], guest.UUID)
			}
			delete(have, key)
		}
	}
	for _, spare := range table.Spares {
		key := addressClaim(spare.Addr)
		if have[key] != "spare/"+spare.Owner {
			t.Errorf("%s has the guest %q, want the spares of %s", key, have[key], spare.Owner)
		}
		delete(have, key)
	}
	if len(have) > 0 {
		t.Errorf("claims of no guest: %v", have)
	}
}

// TestSeveralWriters: hosts want the same thing at the same time. One gets it, and
// the others are told.
func TestSeveralWriters(t *testing.T) {
	list := hosts(t, 5, options("10.0.0.0/24"))
	sameMAC := func(n int, name string) instance.Domain {
		d := dom(n, name)
		d.Interfaces[0].MAC = instance.MAC{0x52, 0x54, 0, 0xff, 0, 1}
		return d
	}
	for _, tt := range []struct {
		name    string
		want    func(host int) instance.Domain
		refused error // of all but one; nil: all are registered
		guests  int
	}{
		{"MAC address", func(i int) instance.Domain { return sameMAC(100+i, fmt.Sprint("mac", i)) }, denied.ErrMACInUse, 1},
		{"address", func(i int) instance.Domain { return dom(200+i, fmt.Sprint("address", i), "ipv4", "10.0.0.77") }, denied.ErrAddressTaken, 1},
		{"host name", func(i int) instance.Domain { return dom(300+i, fmt.Sprint("host", i), "hostname", "wanted") }, denied.ErrHostnameTaken, 1},
		{"names that are one in DNS", func(i int) instance.Domain {
			return dom(400+i, fmt.Sprint("dns", i), "hostname", []string{"rival", "lab-rival", "rival.example.org", "lab-rival.example.org", "RIVAL"}[i])
		}, denied.ErrHostnameTaken, 1},
		{"name", func(i int) instance.Domain { return dom(500+i, "same") }, nil, 1}, // the last one replaces the others
		{"derived host name", func(i int) instance.Domain { return dom(600+i, strings.Repeat("=", i)+"derived") }, nil, 5},
		{"UUID", func(int) instance.Domain { return dom(700, "one") }, nil, 1},
		{"nothing", func(i int) instance.Domain { return dom(800+i, fmt.Sprint("own", i)) }, nil, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(agree(t, list).Instances)
			errs := make([]error, len(list))
			var all sync.WaitGroup
			for i, h := range list {
				all.Go(func() { _, errs[i] = h.Register(context.Background(), tt.want(i)) })
			}
			all.Wait()
			made := 0
			for i, err := range errs {
				switch {
				case err == nil:
					made++
				case tt.refused == nil || !errors.Is(err, tt.refused):
					t.Errorf("host %d: %v, want %v", i, err, tt.refused)
				}
			}
			if tt.refused != nil && made != 1 {
				t.Errorf("%d hosts have registered it, want 1", made)
			}
			if got := len(agree(t, list).Instances) - before; got != tt.guests {
				t.Errorf("%d new guests, want %d", got, tt.guests)
			}
		})
	}
}

// TestAnswered: what one host has answered is there for the others, and in the feed
// of each host in the order of the revisions.
func TestAnswered(t *testing.T) {
	list := hosts(t, 2, options("10.0.0.0/24"))
	sub := list[1].Subscribe()
	defer sub.Close()
	reg, err := list[0].Register(t.Context(), dom(1, "web"))
	if err != nil {
		t.Fatal(err)
	}
	if guest, ok := list[0].Snapshot().ByUUID(uid(1)); !ok || guest.IPv4 != reg.Instance.IPv4 {
		t.Errorf("the host itself has %v", guest)
	}
	if _, err := list[0].Register(t.Context(), dom(1, "renamed")); err != nil {
		t.Fatal(err)
	}
	if _, err := list[0].Release(t.Context(), "renamed"); err != nil {
		t.Fatal(err)
	}
	var names []string
	for len(names) < 3 {
		events, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.New == nil {
				names = append(names, "-"+e.Old.Name)
			} else {
				names = append(names, e.New.Name)
			}
		}
	}
	if got := strings.Join(names, " "); got != "web renamed -renamed" {
		t.Errorf("the feed of the other host: %s", got)
	}
}

// TestAnySequence: hosts register, rename, take over and release at random and at
// the same time, on a network that is too small for all.
func TestAnySequence(t *testing.T) {
	for _, n := range []int{2, 5} {
		t.Run(fmt.Sprint(n, " hosts"), func(t *testing.T) {
			list := hosts(t, n, options("10.0.0.0/28"))
			for round := range 4 {
				var all sync.WaitGroup
				for i, h := range list {
					all.Go(func() { h.anySequence(t, rand.New(rand.NewPCG(uint64(round), uint64(i)))) })
				}
				all.Wait()
				agree(t, list)
			}
		})
	}
}

func (h *host) anySequence(t *testing.T, dice *rand.Rand) {
	names := []string{"a", "A", "a b", "a-b", "b", "..", "é", "lab-a", "a.example.org", "lab-b.example.org"}
	refused := 0
	for range 25 {
		n := dice.IntN(14)
		var err error
		if dice.IntN(4) == 0 {
			_, err = h.Release(context.Background(), uid(n).String())
		} else {
			d := dom(n, names[dice.IntN(len(names))])
			d.Interfaces[0].MAC[5] = byte(dice.IntN(16))
			_, err = h.Register(context.Background(), d)
		}
		if errors.Is(err, inventory.ErrStore) { // on a busy machine, a change may take more than its second
			t.Log(err)
			refused++
		}
	}
	if refused > 20 {
		t.Errorf("%d of 25 changes could not be written", refused)
	}
}

// TestOwner: libvirt's word on one host concerns the guests of that host. A guest
// that has moved keeps what it has.
func TestOwner(t *testing.T) {
	cluster := startEtcd(t)
	on := func(name string) *host {
		opts := options("10.0.0.0/24")
		opts.HostID, opts.HostName = name, name
		return newHost(t, connect(t, cluster), opts)
	}
	a, b := on("kvm1"), on("kvm2")
	first, err := a.Observe(t.Context(), dom(1, "web"), true)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, []*host{a, b})
	unchanged := func(what string, err error) {
		t.Helper()
		table := agree(t, []*host{a, b})
		if err != nil || len(table.Instances) != 1 || storetest.Diff(instance.Table{Instances: []instance.Instance{first.Instance}}, table) != "" {
			t.Errorf("%s: %v: %+v", what, err, table.Instances)
		}
	}
	missed, err := b.Miss(t.Context(), uid(1), false)
	unchanged("missed on another host", err)
	if missed {
		t.Error("a guest of another host is missed")
	}
	_, err = b.Unplug(t.Context(), uid(1))
	unchanged("unplugged on another host", err)
	_, err = b.Observe(t.Context(), dom(1, "web"), false)
	unchanged("defined on another host", err)

	moved, err := b.Observe(t.Context(), dom(1, "web"), true)
	if err != nil || moved.Instance.Host != "kvm2" || moved.Instance.IPv4 != first.Instance.IPv4 || moved.Instance.ID != first.Instance.ID || moved.Instance.Epoch != first.Instance.Epoch+1 {
		t.Errorf("moved: %v: %+v", err, moved.Instance)
	}
	agree(t, []*host{a, b})
	if missed, err := a.Miss(t.Context(), uid(1), false); missed || err != nil {
		t.Errorf("the former host misses it: %v, %v", missed, err)
	}
	if missed, err := b.Miss(t.Context(), uid(1), false); !missed || err != nil {
		t.Errorf("its own host misses it: %v, %v", missed, err)
	}
}

// TestLargeChange: one request that is larger than a transaction.
func TestLargeChange(t *testing.T) {
	list := hosts(t, 2, options("10.0.0.0/16"))
	var records []instance.Instance
	for n := range pageSize + 50 {
		records = append(records, instance.Instance{Name: fmt.Sprint("g", n), UUID: uid(n), MAC: dom(n, "").Interfaces[0].MAC,
			IPv4: netip.AddrFrom4([4]byte{10, 0, 1 + byte(n>>8), byte(n)})})
	}
	result, err := list[0].Import(t.Context(), records)
	if err != nil || len(result.Added) != len(records) {
		t.Fatalf("%d added: %v", len(result.Added), err)
	}
	if got := len(agree(t, list).Instances); got != len(records) {
		t.Errorf("%d guests", got)
	}
	later := newHost(t, list[0].store.client, options("10.0.0.0/16"))
	if got := len(agree(t, append(list, later)).Instances); got != len(records) {
		t.Errorf("a host that comes later has %d guests", got)
	}
}

// TestFeedOfRestart: the first table that a host reads from etcd may be what it knows
// already. Its subscribers go on.
func TestFeedOfRestart(t *testing.T) {
	cluster := startEtcd(t)
	h := newHost(t, connect(t, cluster), options("10.0.0.0/24"))
	sub := h.Subscribe()
	defer sub.Close()
	for {
		if _, err := h.Register(t.Context(), dom(1, "web")); err != nil {
			t.Fatal(err)
		}
		events, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(events) > 0 {
			return
		}
	}
}
