package server

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/doctor/doctortest"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/etcd"
	"mdserver/internal/etcd/cluster"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/etcdstore"
)

// Each state of a cluster, with an end of each certificate.
func TestStore(t *testing.T) {
	const day = 24 * time.Hour
	good := cluster.Inspected{Member: cluster.Member{Endpoint: "https://a:2379", Leader: true}, Expires: doctortest.Now.Add(31 * day)}
	of := func(change func(m *cluster.Inspected)) func(*host.Facts) {
		return func(h *host.Facts) {
			h.Config.Store.Backend, h.Config.Store.Key = config.BackendEtcd, "/etc/mdserver/store.key"
			m := good
			m.Endpoint = "https://b:2379"
			change(&m)
			h.Store.Found.Members = []cluster.Inspected{good, m}
		}
	}
	healthy := of(func(*cluster.Inspected) {})
	doctortest.Golden(t, "store", []doctortest.Case{
		when("the inventory is on this host", Store, nil),
		when("all is well", Store, healthy),
		when("each host has keys of its own", Store, func(h *host.Facts) { healthy(h); h.Config.Store.Key = "" }),
		when("in service", Store, shared(healthy, func(*api.Store) {})),
		when("no spare addresses", Store, shared(healthy, func(s *api.Store) { s.Spares = append(s.Spares, api.SpareAddresses{Network: "mds", Family: "ipv6"}) })),
		when("drained, with guests", Store, shared(healthy, func(s *api.Store) { s.Drained = doctortest.Now })),
		when("drained, without guests", Store, shared(healthy, func(s *api.Store) { s.Drained, s.HostID = doctortest.Now, "kvm4"; s.Spares[0].Addresses = 0 })),
		when("a guest runs on two hosts", Store, shared(healthy, func(s *api.Store) { s.Contested = []api.Contested{{Name: "web9", Host: "kvm2"}} })),
		when("networks of two hosts", Store, shared(healthy, func(s *api.Store) {
			s.Networks = []api.NetworkConflict{{Network: "lan", Problem: `the network "lan" has scope = shared on kvm1 and scope = host on kvm2`, Remedy: "change scope of the network lan on kvm1 or kvm2"}}
		})),
		when("names of others", Store, func(h *host.Facts) {
			shared(healthy, func(*api.Store) {})(h)
			h.Networks[0].Prefix = "lab-"
			h.Guests.List = []instance.Instance{
				{Name: "web", Hostname: "web", UUID: uuid.UUID{1}, Home: instance.Home{HostID: "kvm2", Host: "kvm2"}},
				{Name: "u-2", Hostname: "web-2", UUID: uuid.UUID{2}, Home: instance.Home{HostID: "kvm1"}, Wanted: instance.Wanted{Name: "web", Hostname: "web"}},
				{Name: "lab-web", Hostname: "lab-web-3", UUID: uuid.UUID{3}, Home: instance.Home{HostID: "kvm1"}, Wanted: instance.Wanted{Hostname: "lab-web"}},
				{Name: "free now", Hostname: "x-4", UUID: uuid.UUID{4}, Home: instance.Home{HostID: "kvm1"}, Wanted: instance.Wanted{Name: "x", Hostname: "x"}},
				{Name: "not here", Hostname: "web-5", UUID: uuid.UUID{5}, Home: instance.Home{HostID: "kvm2"}, Wanted: instance.Wanted{Name: "web", Hostname: "web"}},
			}
		}),
		when("a host name of this host's", Store, func(h *host.Facts) {
			shared(healthy, func(*api.Store) {})(h)
			h.Guests.List = []instance.Instance{
				{Name: "a", Hostname: "web", UUID: uuid.UUID{1}, Home: instance.Home{HostID: "kvm1", Host: "kvm1"}},
				{Name: "b", Hostname: "web-2", UUID: uuid.UUID{2}, Home: instance.Home{HostID: "kvm1", Host: "kvm1"}, Wanted: instance.Wanted{Hostname: "web"}},
			}
		}),
		when("guests without names, and others like them", Store, func(h *host.Facts) {
			shared(healthy, func(*api.Store) {})(h)
			h.Guests.List = []instance.Instance{
				{UUID: uuid.UUID{1}, Home: instance.Home{HostID: "kvm1"}},
				{UUID: uuid.UUID{2}, Home: instance.Home{HostID: "kvm2"}},
			}
		}),
		when("the server has stopped", Store, func(h *host.Facts) {
			shared(healthy, func(s *api.Store) { s.Drained = doctortest.Now })(h)
			h.Server.Err = errNoAnswer
		}),
		when("files cannot be used", Store, func(h *host.Facts) { healthy(h); h.Store.Err = errors.New("/absent: no such file") }),
		when("two alarms", Store, of(func(m *cluster.Inspected) { m.Alarms = []string{"alarm:NOSPACE", "alarm:CORRUPT"} })),
		when("the clock is six seconds ahead", Store, of(func(m *cluster.Inspected) { m.Clock = 6 * time.Second })),
		when("the clock is an hour behind", Store, of(func(m *cluster.Inspected) { m.Clock = -time.Hour })),
		when("the clock is just more than five seconds behind", Store, of(func(m *cluster.Inspected) { m.Clock = -5*time.Second - 1 })),
		when("the clock is five seconds behind", Store, of(func(m *cluster.Inspected) { m.Clock = -5 * time.Second })),
		when("a certificate expires in thirty days", Store, of(func(m *cluster.Inspected) { m.Expires = doctortest.Now.Add(30 * day) })),
		when("a certificate expires just later", Store, of(func(m *cluster.Inspected) { m.Expires = doctortest.Now.Add(30*day + 1) })),
		when("a certificate has expired", Store, of(func(m *cluster.Inspected) { m.Expires = doctortest.Now.Add(-time.Second) })),
		when("a certificate expires now", Store, of(func(m *cluster.Inspected) { m.Expires = doctortest.Now })),
		when("no certificate", Store, of(func(m *cluster.Inspected) { m.Expires = time.Time{} })),
		when("a member does not answer", Store, of(func(m *cluster.Inspected) { m.Err = errors.New("connection refused") })),
		when("a member knows no leader", Store, of(func(m *cluster.Inspected) { m.Leader = false })),
		when("the host's certificate has expired", Store, func(h *host.Facts) { healthy(h); h.Store.Found.Own = doctortest.Now.Add(-time.Second) }),
		when("another program's keys", Store, func(h *host.Facts) { healthy(h); h.Store.Found.Kinds = []string{"services", "guests", "x"} }),
		when("a key of another program", Store, func(h *host.Facts) { healthy(h); h.Store.Found.Kinds = []string{"x"} }),
		when("all of our keys", Store, func(h *host.Facts) { healthy(h); h.Store.Found.Kinds = etcdstore.Kinds() }),
		when("no member can be used", Store, func(h *host.Facts) { healthy(h); h.Store.Found.Members = nil }),
		when("no member answers", Store, func(h *host.Facts) {
			of(func(m *cluster.Inspected) { m.Err = errors.New("connection refused") })(h)
			h.Store.Found.Members = h.Store.Found.Members[1:]
		}),
		when("no rights", Store, func(h *host.Facts) { healthy(h); h.Store.Found.Access = errors.New("permission denied") }),
		when("no answer in time", Store, func(h *host.Facts) { healthy(h); h.Store.Found.Access = context.DeadlineExceeded }),
	})
}

// shared has the facts of a host with the ID kvm1 whose server reports the store.
func shared(healthy func(*host.Facts), change func(*api.Store)) func(*host.Facts) {
	return func(h *host.Facts) {
		healthy(h)
		h.Server.Status.Store = &api.Store{HostID: "kvm1", Connected: true, Spares: []api.SpareAddresses{{Network: "mds", Family: "ipv4", Addresses: 4}}}
		change(h.Server.Status.Store)
		h.Guests.List = []instance.Instance{
			{Name: "web2", Home: instance.Home{HostID: "kvm1", Run: instance.Running}},
			{Name: "web1", Home: instance.Home{HostID: "kvm2", Run: instance.Starting, FromID: "kvm1"}},
			{Name: "off", Home: instance.Home{HostID: "kvm1"}},
			{Name: "elsewhere", Home: instance.Home{HostID: "kvm2", Run: instance.Running}},
			{Name: "arriving", Home: instance.Home{HostID: "kvm1", Run: instance.Starting, FromID: "kvm3"}},
		}
	}
}

// codes are those of the findings that are not OK.
func codes(findings []finding.Finding) map[string]finding.State {
	found := map[string]finding.State{}
	for _, f := range findings {
		if f.State != finding.OK {
			found[f.Code] = f.State
		}
	}
	return found
}

func TestRealCluster(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{Members: 3, TLS: true, Users: true})
	check := func(t *testing.T, cfg config.Store, want map[string]finding.State) {
		t.Helper()
		begin := time.Now()
		h := &host.Facts{ConfigFile: "/etc/mdserver/mdserver.conf", Config: &config.Config{Store: cfg}, Now: begin}
		if cfg.Backend == config.BackendEtcd {
			h.Store.Found, h.Store.Err = etcd.Inspect(t.Context(), cfg)
		}
		found := Store(h)
		if !maps.Equal(codes(found), want) {
			t.Errorf("%+v, want %v", found, want)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	}
	wrongPrefix := cluster.Config()
	wrongPrefix.Prefix = "/other/"
	wrongFile := cluster.Config()
	wrongFile.CAFile = "/absent"

	// The certificate of etcdtest's members ends within a day.
	soon := map[string]finding.State{"etcd_certificate_expires": finding.Warning}
	check(t, cluster.Config(), soon)
	check(t, wrongPrefix, map[string]finding.State{"etcd_certificate_expires": finding.Warning, "etcd_access_denied": finding.Wrong})
	check(t, wrongFile, map[string]finding.State{"etcd_files_unusable": finding.Wrong})
	check(t, config.Store{Backend: config.BackendBolt}, map[string]finding.State{})

	for key, shared := range map[string]bool{"guests/1": false, "guests/2": false, "schema": false, "writers/a/b": false, "guests.old": true, "services/x": true} {
		root := cluster.Root()
		if _, err := root.Put(t.Context(), "/mdserver/"+key, "x"); err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(soon)
		if shared {
			want["etcd_prefix_shared"] = finding.Wrong
		}
		check(t, cluster.Config(), want)
		if _, err := root.Delete(t.Context(), "/mdserver/"+key); err != nil {
			t.Fatal(err)
		}
	}

	cluster.Members[0].Pause()
	cluster.Members[1].WaitUsable() // the others may have to elect a leader
	check(t, cluster.Config(), map[string]finding.State{"etcd_certificate_expires": finding.Warning, "etcd_member_unreachable": finding.Warning})
	cluster.Members[0].Resume()
	cluster.Members[1].Kill()
	cluster.Members[2].Kill()
	cluster.Members[0].WaitAlone()
	check(t, cluster.Config(), map[string]finding.State{"etcd_certificate_expires": finding.Warning, "etcd_member_unreachable": finding.Warning,
		"etcd_member_without_leader": finding.Warning, "etcd_unavailable": finding.Wrong})
}
