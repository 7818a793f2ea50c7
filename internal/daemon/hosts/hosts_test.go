package hosts

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/admin"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/fleet"
	"mdserver/internal/health"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/logtest"
)

// testHost is a host that shares an inventory with others.
type testHost struct {
	*Hosts
	t         *testing.T
	id        string
	leave     func() // ends its part in the inventory
	contested []instance.Instance
	changed   chan struct{} // gets a value for each call of Changed
	log       logtest.Buffer
}

// logged counts the lines of the log that contain a text.
func (h *testHost) logged(text string) int { return strings.Count(h.log.String(), text) }

// shared returns a network that all hosts have.
func shared(gateway string) []instance.Network {
	return []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/24"), Gateway4: netip.MustParseAddr(gateway)}}
}

// join makes a host share the inventory until the test ends or leave is called. The host
// follows the others only through Follow.
func join(t *testing.T, cluster *etcdtest.Cluster, name, gateway string) *testHost {
	t.Helper()
	h := &testHost{t: t, changed: make(chan struct{}, 1)}
	dir, log := t.TempDir(), slog.New(slog.NewTextHandler(&h.log, nil))
	cfg := config.Default()
	cfg.Server.Database, cfg.Server.Identity = filepath.Join(dir, "inventory.db"), filepath.Join(dir, "identity.pem")
	cfg.Store, cfg.Service.Version = cluster.Config(), "3"
	cfg.Store.Host = name
	s, err := store.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.CloseEtcd() })
	inv, err := inventory.Open(t.Context(), s.Inventory, inventory.Options{
		HostID: s.HostID, HostName: name, Alive: s.Fleet.Alive, Drained: s.Drained, Networks: shared(gateway), MaxGuests: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	s.Fleet.SetNetworks(fleet.Publishable(shared(gateway)))
	h.id, h.leave = s.HostID, h.run(s.Fleet.Run)
	h.Hosts = New(Options{
		Store: s, Inventory: inv, Config: func() *config.Config { return cfg }, Started: time.Unix(1, 0), Log: log,
		Contested: func() []instance.Instance { return h.contested },
		Changed: func() {
			select {
			case h.changed <- struct{}{}:
			default:
			}
		},
	})
	h.await("etcd to be followed", func() bool {
		_, known := s.Fleet.Drained()
		return known && s.Fleet.Alive(h.id) && s.Shared.Link() == nil
	})
	return h
}

// run runs f until the test ends or stop is called.
func (h *testHost) run(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	h.t.Cleanup(stop)
	return stop
}

// await waits until ok returns true, after other hosts have done their part.
func (h *testHost) await(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// start registers a guest as if libvirt had started it on the host.
func (h *testHost) start(n byte, name string) {
	h.t.Helper()
	domain := instance.Domain{Name: name, UUID: uuid.UUID{15: n}, Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, n}, Network: "mds"}}}
	if _, err := h.inventory.Observe(h.t.Context(), domain, true); err != nil {
		h.t.Fatal(err)
	}
}

// owner returns the ID of the host that has a guest, as far as h knows.
func (h *testHost) owner(name string) string {
	if guest, ok := h.inventory.Snapshot().ByName(name); ok {
		return guest.HostID
	}
	return "no guest"
}

// brief lists the hosts that h knows, with their states.
func (h *testHost) brief() string {
	var all []string
	for _, one := range h.List() {
		all = append(all, one.Name+" "+string(one.State))
	}
	return strings.Join(all, ", ")
}

// TestForget checks that a host can forget other hosts, those that are alive only by force,
// and that their guests then belong to no host.
func TestForget(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	asked, alive, away := join(t, cluster, "kvm1", "10.0.0.1"), join(t, cluster, "kvm2", "10.0.0.1"), join(t, cluster, "kvm3", "10.0.0.1")
	asked.start(1, "web")
	alive.start(2, "db")
	alive.start(3, "mail")
	away.start(4, "old")
	away.leave()
	asked.await("all hosts and guests", func() bool {
		return asked.brief() == "kvm1 alive, kvm2 alive, kvm3 away" && asked.inventory.Snapshot().Len() == 4
	})
	for _, tt := range []struct {
		name   string
		id     string
		force  bool
		guests int
		err    string // text of an admin.ErrHost; "" for no error
		hosts  string // the hosts afterwards
		owners []string
	}{
		{"the host that is asked", asked.id, false, 0, "this is the host that was asked", "kvm1 alive, kvm2 alive, kvm3 away", []string{asked.id, alive.id, alive.id, away.id}},
		{"the host that is asked, by force", asked.id, true, 0, "this is the host that was asked", "kvm1 alive, kvm2 alive, kvm3 away", []string{asked.id, alive.id, alive.id, away.id}},
		{"one that is alive", alive.id, false, 0, "it is alive; stop mdserver there, or use --force", "kvm1 alive, kvm2 alive, kvm3 away", []string{asked.id, alive.id, alive.id, away.id}},
		{"one that is away", away.id, false, 1, "", "kvm1 alive, kvm2 alive", []string{asked.id, alive.id, alive.id, ""}},
		{"one that is alive, by force", alive.id, true, 2, "", "kvm1 alive", []string{asked.id, "", "", ""}},
	} {
		guests, err := asked.Forget(t.Context(), tt.id, tt.force)
		if guests != tt.guests || errors.Is(err, admin.ErrHost) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) || err == nil && tt.err != "" {
			t.Errorf("%s: %d guests, %v; want %d, %q", tt.name, guests, err, tt.guests, tt.err)
		}
		asked.await(tt.name+": "+tt.hosts, func() bool { return asked.brief() == tt.hosts })
		var owners []string
		for _, guest := range []string{"web", "db", "mail", "old"} {
			owners = append(owners, asked.owner(guest))
		}
		if !slices.Equal(owners, tt.owners) {
			t.Errorf("%s: the guests belong to %q, want %q", tt.name, owners, tt.owners)
		}
	}

	alive.leave()
	cluster.Members[0].Kill()
	asked.await("etcd to be lost", func() bool { return asked.store.Shared.Link() != nil })
	if _, err := asked.Forget(t.Context(), away.id, true); !errors.Is(err, inventory.ErrStore) {
		t.Errorf("without etcd: %v", err)
	}
	if _, err := asked.Drain(t.Context(), away.id, true); !errors.Is(err, inventory.ErrStore) {
		t.Errorf("a drain without etcd: %v", err)
	}
	asked.start(5, "late")
	checkCutOff(t, asked)
}

// checkCutOff checks what a host reports after it registered the guest late without etcd.
func checkCutOff(t *testing.T, h *testHost) {
	t.Helper()
	found := h.Trouble()
	for _, want := range []health.Trouble{
		{Part: "etcd", State: health.Warning, Message: "1 guest was registered or changed without etcd; the other hosts do not know of that yet: late"},
		{Part: "etcd", State: health.Wrong, Message: "the inventory cannot be followed"},
	} {
		if !slices.ContainsFunc(found, func(tr health.Trouble) bool {
			return tr.Part == want.Part && tr.State == want.State && strings.HasPrefix(tr.Message, want.Message)
		}) {
			t.Errorf("no trouble says %q: %+v", want.Message, found)
		}
	}
	if s := h.Store(nil); s.Connected || s.Error == "" || s.Unshared != 1 {
		t.Errorf("the store without etcd is %+v", s)
	}
}

// TestDrain checks that a drained host says so, has no spare addresses, and warns of guests
// that run or start there, until it is back in service.
func TestDrain(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	asked, drained := join(t, cluster, "kvm1", "10.0.0.1"), join(t, cluster, "kvm2", "10.0.0.1")
	if _, err := asked.Drain(t.Context(), uuid.NewString(), true); !errors.Is(err, denied.ErrNotFound) {
		t.Errorf("a host that is not known: %v", err)
	}
	drained.start(1, "web")
	drained.run(drained.Follow)
	claimed := func() int {
		return spareAddresses(drained.inventory.Snapshot().Spares(), drained.id, []api.Network{{Name: "mds", IPv4: "10.0.0.0/24"}})[0].Addresses
	}
	drained.await("spare addresses", func() bool { return claimed() == 4 })
	asked.await("the guest", func() bool { return asked.owner("web") == drained.id })
	if found := drained.Trouble(); len(found) > 0 {
		t.Errorf("in service: %+v", found)
	}
	for len(drained.changed) > 0 {
		<-drained.changed
	}

	since, err := asked.Drain(t.Context(), drained.id, true)
	if err != nil || time.Since(since).Abs() > time.Minute {
		t.Errorf("it is drained since %s: %v", since, err)
	}
	drained.await("a host without spare addresses", func() bool { return claimed() == 0 })
	drained.await("a change", func() bool { return len(drained.changed) > 0 })
	if n := drained.logged(`msg="this host is drained: it claims no addresses for guests; those that start here are served anyway" guests=1`); n != 1 {
		t.Errorf("%d lines say that it is drained: %s", n, &drained.log)
	}
	want := []health.Trouble{{Part: "etcd", State: health.Warning, Look: []string{"mdserver instance ls --host kvm2"},
		Message: "this host is drained, and 1 guest runs here: web; migrate or stop all guests, or put the host back into service"}}
	if got := drained.Trouble(); len(got) != 1 || got[0].Message != want[0].Message || got[0].State != want[0].State || !slices.Equal(got[0].Look, want[0].Look) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if s := drained.Store(nil); !s.Drained.Equal(since) {
		t.Errorf("it reports %s", s.Drained)
	}
	asked.await("its state", func() bool {
		return slices.ContainsFunc(asked.List(), func(one api.Host) bool { return one.ID == drained.id && one.Drained.Equal(since) })
	})
	if found := asked.Trouble(); len(found) > 0 {
		t.Errorf("the other host is in trouble: %+v", found)
	}
	checkStarts(t, drained)

	if since, err := asked.Drain(t.Context(), drained.id, false); err != nil || !since.IsZero() {
		t.Errorf("in service: %s, %v", since, err)
	}
	drained.await("spare addresses again", func() bool { return claimed() == 4 })
	if n := drained.logged("this host is back in service"); n != 1 {
		t.Errorf("%d lines say that it is back: %s", n, &drained.log)
	}
	if found := drained.Trouble(); len(found) > 0 {
		t.Errorf("back in service: %+v", found)
	}
	lines := drained.logged("a guest starts")
	drained.Note([]instance.Event{{New: &instance.Instance{Name: "new", Home: instance.Home{HostID: drained.id, Run: instance.Running}}}})
	if drained.logged("a guest starts") != lines {
		t.Errorf("a start on a host in service causes a warning: %s", &drained.log)
	}
}

// checkStarts checks that a drained host warns only of a guest that starts on it.
func checkStarts(t *testing.T, h *testHost) {
	t.Helper()
	running := func(name, host string) *instance.Instance {
		return &instance.Instance{Name: name, Home: instance.Home{HostID: host, Run: instance.Running}}
	}
	h.Note([]instance.Event{
		{Old: running("gone", h.id)},
		{New: running("elsewhere", "another host")},
		{New: running("new", h.id)},
	})
	if n := h.logged("a guest starts on this host, which is drained; it is served"); n != 1 || h.logged("guest=new") != 1 {
		t.Errorf("%d warnings: %s", n, &h.log)
	}
}

// TestListAndStore checks that hosts are listed with their guests and with what they disagree
// on.
func TestListAndStore(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	one, other := join(t, cluster, "kvm1", "10.0.0.1"), join(t, cluster, "kvm2", "10.0.0.2")
	one.start(1, "web")
	one.start(2, "db")
	other.start(3, "mail")
	for _, h := range []*testHost{one, other} {
		if err := h.replenish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	one.contested = []instance.Instance{{Name: "mail", UUID: uuid.UUID{15: 3}, Home: instance.Home{Host: "kvm2"}}}
	one.run(one.Follow)
	one.await("the other host and its networks", func() bool {
		return len(one.store.Fleet.Conflicts()) == 1 && one.inventory.Snapshot().Len() == 3 && len(one.inventory.Snapshot().Spares()) == 8
	})
	conflict := api.NetworkConflict{Network: "mds", Hosts: []string{"kvm1", "kvm2"}, Keys: []string{"gateway"},
		Problem: `the network "mds", which all hosts share, has the gateway 10.0.0.1 on kvm1 and 10.0.0.2 on kvm2`,
		Remedy:  "change gateway of the network mds on kvm1 or kvm2; with backend = libvirt, change the network's definition"}
	same := func(a, b api.NetworkConflict) bool {
		return a.Network == b.Network && slices.Equal(a.Hosts, b.Hosts) && slices.Equal(a.Keys, b.Keys) && a.Problem == b.Problem && a.Remedy == b.Remedy
	}

	list := one.List()
	for i, want := range []struct {
		host      *testHost
		name      string
		guests    int
		conflicts int
	}{{one, "kvm1", 2, 1}, {other, "kvm2", 1, 1}} {
		got := list[i]
		if got.ID != want.host.id || got.Name != want.name || got.Version == "" || got.Guests != want.guests || got.This != (want.host == one) || len(got.Conflicts) != want.conflicts ||
			got.State != api.HostAlive || !got.Drained.IsZero() || time.Since(got.Since).Abs() > time.Minute {
			t.Errorf("%s is %+v", want.name, got)
		}
	}
	if !same(list[0].Conflicts[0], conflict) {
		t.Errorf("the conflict is %+v, want %+v", list[0].Conflicts[0], conflict)
	}
	if guests, err := one.RunsOn(other.id); err != nil || len(guests) != 1 || guests[0].Name != "mail" || guests[0].UUID != (uuid.UUID{15: 3}) || guests[0].State != api.GuestRuns || guests[0].To != "" {
		t.Errorf("the other host runs %+v, %v", guests, err)
	}
	if guests, err := one.RunsOn(one.id); err != nil || len(guests) != 2 || guests[0].Name != "db" || guests[1].Name != "web" {
		t.Errorf("this host runs %+v, %v", guests, err)
	}

	s := one.Store([]api.Network{{Name: "mds", IPv4: "10.0.0.0/24"}})
	if s.HostID != one.id || !s.Connected || s.Error != "" || s.Members != 1 || s.Usable != 1 || s.Unshared != 0 || s.Revision == 0 || !s.Drained.IsZero() ||
		!slices.Equal(s.Spares, []api.SpareAddresses{{Network: "mds", Family: "ipv4", Addresses: 4}}) ||
		!slices.Equal(s.Contested, []api.Contested{{Name: "mail", UUID: uuid.UUID{15: 3}, Host: "kvm2"}}) ||
		len(s.Networks) != 1 || !same(s.Networks[0], conflict) {
		t.Errorf("the store is %+v", s)
	}

	one.await("a warning of the conflict", func() bool { return one.logged("two hosts disagree on a network") > 0 })
	logged := map[string]bool{}
	one.noteConflicts(logged)
	one.noteConflicts(logged)
	if n := one.logged("two hosts disagree on a network"); n != 2 || one.logged("network=mds other=kvm2") != 2 {
		t.Errorf("%d warnings, want one of the server and one of the test: %s", n, &one.log)
	}
	var messages []string
	for _, tr := range one.Trouble() {
		messages = append(messages, string(tr.State)+": "+tr.Message)
	}
	if want := []string{"warning: " + conflict.Problem + "; " + conflict.Remedy, `wrong: the guest "mail" runs here and on the host kvm2, which has it; stop it on one of them`}; !slices.Equal(messages, want) {
		t.Errorf("the trouble is %q, want %q", messages, want)
	}

	join(t, cluster, "kvm1", "10.0.0.1")
	one.await("trouble with a host of the same name", func() bool {
		return slices.ContainsFunc(one.Trouble(), func(tr health.Trouble) bool {
			return tr.State == health.Wrong && strings.HasPrefix(tr.Message, "another host, with the ID ") && strings.Contains(tr.Message, `has the name "kvm1", too`)
		})
	})
}
