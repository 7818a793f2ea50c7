package presence

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/etcd"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/libvirt/watch"
)

// fleet is several hosts with an inventory in etcd and a libvirt each. Only guest
// matters to them.
type fleet struct {
	t     *testing.T
	guest uuid.UUID
	kept  kept
	hosts map[string]*kvm
	// oldHooks: the hooks do not tell of domains that stop, as in earlier versions
	oldHooks bool
}

// kept is what may not change of a guest.
type kept struct {
	addr  netip.Addr
	epoch map[string]int64 // by host; it may grow
}

// kvm is a host of a fleet.
type kvm struct {
	*Reconciler
	dead    atomic.Bool
	domain  string // one of the states below
	changed bool   // since the host has looked
	left    bool   // it was migrated
	starts  map[uuid.UUID]bool
}

// The states of the domain in the libvirt of a host.
const (
	absent  = ""
	defined = "defined"
	moving  = "moving" // paused for a migration
	running = "running"
)

func newFleet(t *testing.T, names ...string) *fleet {
	t.Helper()
	cluster := etcdtest.Start(t, etcdtest.Options{})
	f := &fleet{t: t, hosts: map[string]*kvm{}}
	log := slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	var following sync.WaitGroup
	for _, name := range names {
		client, err := etcd.Open(ctx, cluster.Config(), log)
		if err != nil {
			t.Fatal(err)
		}
		cache, err := boltstore.Open(filepath.Join(t.TempDir(), "cache.db"), log)
		if err != nil {
			t.Fatal(err)
		}
		store, err := etcdstore.Open(ctx, etcdstore.Options{Client: client.Client, Prefix: "/mdserver/", Cache: cache, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		alive := func(id string) bool { return f.hosts[id] != nil && !f.hosts[id].dead.Load() }
		inv, err := inventory.Open(ctx, store, inventory.Options{HostID: name, HostName: name + ".example", Alive: alive,
			Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/16")}}})
		if err != nil {
			t.Fatal(err)
		}
		host := &kvm{Reconciler: New(inv, func(context.Context) {}, time.Hour, log)}
		f.hosts[name] = host
		following.Go(func() { host.followMoves(ctx) })
		t.Cleanup(func() { _ = client.Close() })
		t.Cleanup(func() { _ = inv.Close() })
	}
	t.Cleanup(func() { stop(); following.Wait() })
	return f
}

// step is something that happens on one host, in the order of its test.
type step struct{ host, what string }

func (f *fleet) dom() instance.Domain {
	return instance.Domain{Name: "g" + f.guest.String()[:8], UUID: f.guest, Interfaces: []instance.Interface{
		{MAC: instance.MAC{0x52, 0x54, f.guest[0], f.guest[1], f.guest[2], f.guest[3]}, Network: "mds"}}}
}

// do makes a step. The calls of hooks are registered at once, as libvirt waits for
// them. What libvirt's events report is found out when the host looks.
func (f *fleet) do(s step) {
	f.t.Helper()
	host := f.hosts[s.host]
	if reason, ok := strings.CutPrefix(s.what, "stops "); ok {
		if f.oldHooks {
			return
		}
		if err := host.inventory.Stopped(f.t.Context(), f.guest, reason); err != nil {
			f.t.Fatal(err)
		}
		return
	}
	switch s.what {
	case "migrate", "prepare":
		dom := f.dom()
		dom.Source, dom.Received = instance.ByHook, s.what == "migrate"
		if _, err := host.inventory.Register(f.t.Context(), dom); err != nil {
			f.t.Fatal(err)
		}
	case "dies":
		host.dead.Store(true)
	case "returns":
		host.dead.Store(false)
		host.changed = true
	case "vanishes": // and libvirt reports nothing
		host.domain = absent
	case "left":
		host.domain, host.left, host.changed = absent, true, true
	case "looks":
		f.look(host)
	default:
		host.domain, host.left, host.changed = s.what, false, true
	}
}

// look is what watch does with an event.
func (f *fleet) look(host *kvm) {
	f.t.Helper()
	if host.dead.Load() {
		return
	}
	host.changed = false
	var err error
	if host.domain == absent {
		err = host.Left(f.t.Context(), f.guest, host.left)
	} else {
		err = host.Seen(f.t.Context(), watch.Domain{Domain: f.dom(), Running: host.domain != defined, Moving: host.domain == moving})
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// settled waits until all hosts have followed each other, and the guest has a host.
func (f *fleet) settled(want string) {
	f.t.Helper()
	var problem string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		problem = ""
		for name, host := range f.hosts {
			if host.changed {
				f.look(host)
			}
			host.starts = host.doubtStarts(host.starts) // as retry does after a while
			for _, id := range host.Doubts() {
				if id == f.guest {
					f.look(host)
				}
			}
			guest, ok := host.inventory.Snapshot().ByUUID(f.guest)
			switch {
			case !ok:
				problem = name + " does not know it"
			case guest.HostID != want || guest.FromID != "" || guest.Presence.State == instance.Gone:
				problem = fmt.Sprintf("%s has %+v, %s", name, guest.Home, guest.Presence.State)
			case (guest.Run == instance.Running) != (f.hosts[want].domain == running):
				problem = fmt.Sprintf("%s has the state %q, and the domain is %q", name, guest.Run, f.hosts[want].domain)
			}
		}
		if problem == "" {
			return
		}
	}
	f.t.Fatalf("it does not belong to %s alone: %s", want, problem)
}

// check makes sure that the guest has kept what it had, as each host knows it.
func (f *fleet) check() {
	f.t.Helper()
	for name, host := range f.hosts {
		guest, ok := host.inventory.Snapshot().ByUUID(f.guest)
		if !ok {
			continue
		}
		if !f.kept.addr.IsValid() {
			f.kept.addr = guest.IPv4
		}
		if guest.IPv4 != f.kept.addr || guest.ID != instance.DeriveID(f.guest) || guest.Hostname != "g"+f.guest.String()[:8] {
			f.t.Fatalf("%s has it with other names or addresses: %s, %s, %s", name, guest.ID, guest.Hostname, guest.IPv4)
		}
		if guest.Epoch < f.kept.epoch[name] || guest.Epoch == 0 {
			f.t.Errorf("%s has the epoch %d after %d", name, guest.Epoch, f.kept.epoch[name])
		}
		f.kept.epoch[name] = guest.Epoch
	}
}

// relist has each host list its domains, as it does every few minutes.
func (f *fleet) relist() {
	f.t.Helper()
	for _, host := range f.hosts {
		var domains []watch.Domain
		if host.domain != absent {
			domains = []watch.Domain{{Domain: f.dom(), Running: host.domain != defined, Moving: host.domain == moving}}
		}
		if err := host.Listed(f.t.Context(), time.Now(), domains, nil); err != nil {
			f.t.Fatal(err)
		}
	}
}

// sequences are what the hosts do to one guest. Whatever the order in which they learn of
// it, one of them has the guest in the end. Sources of the sequences:
// https://libvirt.org/hooks.html and https://libvirt.org/migration.html, and what libvirt 9.0
// reports in TestFleetMigration of test/e2e: nothing at all of a domain that does not
// arrive, and nothing at the source of an offline migration. What hooks are told, and
// when, is recorded from there, too.
var sequences = []struct {
	name  string
	steps []step
	want  string
}{
	{"live migration", []step{{"a", "prepare"}, {"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"a", moving}, {"b", running}, {"a", "stops -"}, {"a", "left"}}, "b"},
	{"live migration, and the definition stays", []step{{"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"b", running}, {"a", "stops -"}, {"a", defined}}, "b"},
	{"live migration and a reboot", []step{{"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"b", running}, {"a", "stops -"}, {"a", defined}, {"b", "stops -"}, {"b", defined}, {"b", "prepare"}, {"b", running}}, "b"},
	{"live migration and shut down", []step{{"a", running}, {"a", "looks"}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"b", running}, {"b", "looks"}, {"a", "stops -"}, {"a", defined}, {"b", "stops -"}, {"b", defined}}, "b"},
	{"without hooks", []step{{"a", running}, {"b", moving}, {"a", moving}, {"b", running}, {"a", "left"}}, "b"},
	{"there and back", []step{{"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"b", running}, {"a", "stops -"}, {"a", defined},
		{"a", "migrate"}, {"a", "prepare"}, {"a", moving}, {"a", running}, {"b", "stops -"}, {"b", "left"}}, "a"},
	{"on to a third host", []step{{"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"b", running}, {"a", "stops -"}, {"a", "left"},
		{"c", "migrate"}, {"c", "prepare"}, {"c", moving}, {"c", running}, {"b", "stops -"}, {"b", "left"}}, "c"},
	{"aborted", []step{{"a", "prepare"}, {"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"a", moving}, {"b", "stops -"}, {"b", absent}, {"a", running}}, "a"},
	{"aborted, and the definition stays", []step{{"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"b", "stops -"}, {"b", defined}}, "a"},
	{"aborted at the start", []step{{"a", running}, {"b", "migrate"}, {"b", absent}}, "a"},
	{"aborted at the start without an event", []step{{"a", running}, {"a", "looks"}, {"b", "migrate"}}, "a"},
	{"aborted before it arrives", []step{{"a", running}, {"a", "looks"}, {"b", "migrate"}, {"b", "prepare"}, {"b", "stops -"}, {"b", "vanishes"}}, "a"},
	{"aborted, then made to another host", []step{{"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"b", "stops -"}, {"b", absent},
		{"c", "migrate"}, {"c", "prepare"}, {"c", moving}, {"c", running}, {"a", "stops -"}, {"a", "left"}}, "c"},
	{"aborted, and the guest shut down", []step{{"a", running}, {"b", "migrate"}, {"b", "prepare"}, {"b", moving}, {"a", "stops -"}, {"a", defined}, {"b", "stops -"}, {"b", absent}}, "a"},
	{"offline migration", []step{{"a", defined}, {"b", "migrate"}, {"b", defined}, {"a", absent}}, "b"},
	{"offline migration without hooks", []step{{"a", defined}, {"a", "looks"}, {"b", defined}, {"a", absent}}, "b"},
	{"offline migration without an event at its source", []step{{"a", defined}, {"a", "looks"}, {"b", "migrate"}, {"b", defined}, {"a", "vanishes"}}, "b"},
	{"offline migration and a start", []step{{"a", defined}, {"b", "migrate"}, {"b", defined}, {"a", absent}, {"b", "prepare"}, {"b", running}}, "b"},
	{"defined on two hosts", []step{{"a", defined}, {"a", "looks"}, {"b", defined}, {"b", absent}}, "a"},
	{"defined on two hosts and started", []step{{"a", defined}, {"b", defined}, {"b", "prepare"}, {"b", running}}, "b"},
	{"started on another host", []step{{"a", running}, {"a", "looks"}, {"a", "stops -"}, {"a", defined}, {"a", "looks"}, {"b", "prepare"}, {"b", running}, {"a", absent}}, "b"},
	{"started on another host without hooks", []step{{"a", running}, {"a", defined}, {"b", running}}, "b"},
	{"a start that fails on another host", []step{{"a", defined}, {"a", "looks"}, {"b", "prepare"}, {"b", "stops -"}, {"b", absent}}, "a"},
	{"its host dies and returns", []step{{"a", running}, {"a", "looks"}, {"a", "dies"}, {"b", "prepare"}, {"b", running}, {"a", defined}, {"a", "returns"}}, "b"},
	{"its host dies, without hooks", []step{{"a", running}, {"a", "looks"}, {"a", "dies"}, {"b", running}, {"a", absent}, {"a", "returns"}}, "b"},
	{"its host returns and starts it, too", []step{{"a", running}, {"a", "looks"}, {"a", "dies"}, {"b", "prepare"}, {"b", running}, {"b", "looks"},
		{"a", defined}, {"a", "returns"}, {"a", "prepare"}, {"a", running}}, "b"},
}

// TestMoves: after each sequence, and whenever the hosts look at it between its steps,
// one host has the guest, and it has kept what it had.
func TestMoves(t *testing.T) {
	f := newFleet(t, "a", "b", "c")
	for _, tt := range sequences {
		t.Run(tt.name, func(t *testing.T) {
			for order := range 12 {
				f.t = t
				f.oldHooks = order%2 == 0
				dice := rand.New(rand.NewPCG(1, uint64(order)))
				f.guest = uuid.New()
				var made []step
				f.kept = kept{epoch: map[string]int64{}}
				take := func(s step) {
					made = append(made, s)
					f.do(s)
					f.check()
				}
				defer func() {
					if t.Failed() {
						t.Logf("the order was %v", made)
					}
				}()
				for _, s := range tt.steps {
					take(s)
					for _, name := range []string{"a", "b", "c"} {
						if f.hosts[name].changed && dice.IntN(2) == 0 {
							take(step{name, "looks"})
						}
					}
				}
				f.settled(tt.want)
				f.relist()
				f.settled(tt.want)
				f.check()
				for _, host := range f.hosts {
					host.domain, host.changed, host.left = absent, false, false
				}
			}
		})
	}
}

// hookSequences are what hosts hear of one guest from libvirt's hooks alone, and which
// host has it in the end, in which state. With libvirt 9.0 the reason is always "-".
var hookSequences = []struct {
	name  string
	steps []step
	want  string
	run   instance.RunState
}{
	{"live migration", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"a", "stops -"}}, "b", instance.Running},
	{"live migration, with the reason", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"a", "stops migrated"}}, "b", instance.Running},
	{"live migration while the other host's hook failed", []step{{"a", "prepare"}, {"b", "migrate"}, {"a", "stops migrated"}}, "b", instance.Running},
	{"live migration and a reboot", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"a", "stops -"}, {"b", "stops -"}, {"b", "prepare"}}, "b", instance.Starting},
	{"live migration and shut down", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"a", "stops -"}, {"b", "stops -"}}, "b", instance.NotRunning},
	{"live migration and shut down at once", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"b", "stops shutdown"}, {"a", "stops migrated"}}, "b", instance.NotRunning},
	{"there and back", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"a", "stops -"}, {"a", "migrate"}, {"a", "prepare"}, {"b", "stops -"}}, "a", instance.Running},
	{"on to a third host", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"a", "stops -"}, {"c", "migrate"}, {"c", "prepare"}, {"b", "stops -"}}, "c", instance.Running},
	{"aborted", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"b", "stops -"}}, "a", instance.Running},
	{"aborted, and shut down", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"b", "stops -"}, {"a", "stops -"}}, "a", instance.NotRunning},
	{"aborted at the start, and shut down", []step{{"a", "prepare"}, {"b", "migrate"}, {"a", "stops -"}}, "a", instance.NotRunning},
	{"aborted at the start, then made to another host", []step{{"a", "prepare"}, {"b", "migrate"}, {"c", "migrate"}, {"c", "prepare"}, {"a", "stops -"}}, "c", instance.Running},
	{"aborted, then made to another host", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"b", "stops -"}, {"c", "migrate"}, {"c", "prepare"}, {"a", "stops -"}}, "c", instance.Running},
	{"shut down before it arrives", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"a", "stops shutdown"}, {"b", "stops failed"}}, "a", instance.NotRunning},
	{"the other host dies, and it is started again", []step{{"a", "prepare"}, {"b", "migrate"}, {"b", "prepare"}, {"b", "dies"}, {"a", "stops -"}, {"a", "prepare"}}, "a", instance.Starting},
	{"offline migration", []step{{"a", "prepare"}, {"a", "stops -"}, {"b", "migrate"}}, "b", instance.NotRunning},
	{"offline migration and a start", []step{{"a", "prepare"}, {"a", "stops -"}, {"b", "migrate"}, {"b", "prepare"}}, "b", instance.Starting},
	{"started on another host", []step{{"a", "prepare"}, {"a", "stops -"}, {"b", "prepare"}}, "b", instance.Starting},
	{"a start that fails", []step{{"a", "prepare"}, {"a", "stops failed"}}, "a", instance.NotRunning},
	{"saved and restored", []step{{"a", "prepare"}, {"a", "stops saved"}, {"a", "prepare"}}, "a", instance.Starting},
	{"stopped where it is not", []step{{"a", "prepare"}, {"b", "stops -"}, {"c", "stops migrated"}}, "a", instance.Starting},
}

// TestMovesByHooksAlone: hosts that follow no events of libvirt agree after each sequence,
// and the guest has kept what it had.
func TestMovesByHooksAlone(t *testing.T) {
	f := newFleet(t, "a", "b", "c")
	for _, tt := range hookSequences {
		t.Run(tt.name, func(t *testing.T) {
			f.t, f.guest, f.kept = t, uuid.New(), kept{epoch: map[string]int64{}}
			for _, s := range tt.steps {
				f.do(s)
				f.agree()
				f.check()
			}
			guest, _ := f.hosts["a"].inventory.Snapshot().ByUUID(f.guest)
			if guest.HostID != tt.want || guest.Host != tt.want+".example" || guest.Run != tt.run || guest.FromID != "" || guest.FromHost != "" {
				t.Errorf("it is at %+v, want %s, %q", guest.Home, tt.want, tt.run)
			}
			for _, host := range f.hosts {
				host.dead.Store(false)
			}
		})
	}
}

// agree waits until all hosts have the same record of the guest: on different hosts, hooks
// are called one after the other.
func (f *fleet) agree() {
	f.t.Helper()
	homes := map[instance.Home]bool{}
	for deadline := time.Now().Add(10 * time.Second); len(homes) != 1 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		clear(homes)
		for _, host := range f.hosts {
			guest, ok := host.inventory.Snapshot().ByUUID(f.guest)
			if !ok {
				guest = &instance.Instance{}
			}
			homes[guest.Home] = true
		}
	}
	if len(homes) != 1 {
		f.t.Fatalf("the hosts do not agree: %v", homes)
	}
}
