package doctor

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/etcd"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/inventory/etcdstore"
)

// codes are those of the findings that are not OK.
func codes(findings []Finding) map[string]State {
	found := map[string]State{}
	for _, f := range findings {
		if f.State != OK {
			found[f.Code] = f.State
		}
	}
	return found
}

func storeHost(cfg config.Store) *Host {
	return &Host{ConfigFile: "/etc/mdserver/mdserver.conf", Config: &config.Config{Store: cfg}}
}

func TestCheckStore(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{Members: 3, TLS: true, Users: true})
	check := func(t *testing.T, cfg config.Store, want map[string]State) {
		t.Helper()
		begin := time.Now()
		found := checkStore(t.Context(), storeHost(cfg))
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
	soon := map[string]State{"etcd_certificate_expires": Warning}
	check(t, cluster.Config(), soon)
	check(t, wrongPrefix, map[string]State{"etcd_certificate_expires": Warning, "etcd_access_denied": Wrong})
	check(t, wrongFile, map[string]State{"etcd_files_unusable": Wrong})
	check(t, config.Store{Backend: config.BackendBolt}, map[string]State{})

	for key, shared := range map[string]bool{"guests/1": false, "guests/2": false, "schema": false, "writers/a/b": false, "guests.old": true, "services/x": true} {
		root := cluster.Root()
		if _, err := root.Put(t.Context(), "/mdserver/"+key, "x"); err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(soon)
		if shared {
			want["etcd_prefix_shared"] = Wrong
		}
		check(t, cluster.Config(), want)
		if _, err := root.Delete(t.Context(), "/mdserver/"+key); err != nil {
			t.Fatal(err)
		}
	}

	cluster.Members[0].Pause()
	check(t, cluster.Config(), map[string]State{"etcd_certificate_expires": Warning, "etcd_member_unreachable": Warning})
	cluster.Members[0].Resume()
	cluster.Members[1].Kill()
	cluster.Members[2].Kill()
	cluster.Members[0].WaitAlone()
	check(t, cluster.Config(), map[string]State{"etcd_certificate_expires": Warning, "etcd_member_unreachable": Warning,
		"etcd_member_without_leader": Warning, "etcd_unavailable": Wrong})
}

func TestStoreFindings(t *testing.T) {
	now := time.Now()
	good := etcd.Inspected{Member: etcd.Member{Endpoint: "https://a:2379", Leader: true}, Expires: now.Add(31 * 24 * time.Hour)}
	changed := func(change func(*etcd.Inspected)) etcd.Inspection {
		m := good
		change(&m)
		return etcd.Inspection{Members: []etcd.Inspected{good, m}}
	}
	tests := map[string]struct {
		found etcd.Inspection
		want  map[string]State
	}{
		"good":              {changed(func(*etcd.Inspected) {}), nil},
		"alarm":             {changed(func(m *etcd.Inspected) { m.Alarms = []string{"alarm:NOSPACE"} }), map[string]State{"etcd_alarm": Wrong}},
		"clock ahead":       {changed(func(m *etcd.Inspected) { m.Clock = 6 * time.Second }), map[string]State{"etcd_clock_differs": Warning}},
		"clock behind":      {changed(func(m *etcd.Inspected) { m.Clock = -time.Hour }), map[string]State{"etcd_clock_differs": Warning}},
		"clock near enough": {changed(func(m *etcd.Inspected) { m.Clock = -5 * time.Second }), nil},
		"expires":           {changed(func(m *etcd.Inspected) { m.Expires = now.Add(29 * 24 * time.Hour) }), map[string]State{"etcd_certificate_expires": Warning}},
		"expired":           {changed(func(m *etcd.Inspected) { m.Expires = now.Add(-time.Hour) }), map[string]State{"etcd_certificate_expired": Wrong}},
		"unreachable":       {changed(func(m *etcd.Inspected) { m.Err = errors.New("refused") }), map[string]State{"etcd_member_unreachable": Warning}},
		"no leader":         {changed(func(m *etcd.Inspected) { m.Leader = false }), map[string]State{"etcd_member_without_leader": Warning}},
		"own certificate":   {etcd.Inspection{Members: []etcd.Inspected{good}, Own: now.Add(-time.Hour)}, map[string]State{"etcd_certificate_expired": Wrong}},
		"shared":            {etcd.Inspection{Members: []etcd.Inspected{good}, Kinds: []string{"guests", "services"}}, map[string]State{"etcd_prefix_shared": Wrong}},
		"not shared":        {etcd.Inspection{Members: []etcd.Inspected{good}, Kinds: etcdstore.Kinds()}, nil},
		"no member":         {etcd.Inspection{}, map[string]State{"etcd_unavailable": Wrong}},
		"no right":          {etcd.Inspection{Members: []etcd.Inspected{good}, Access: errors.New("permission denied")}, map[string]State{"etcd_access_denied": Wrong}},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		found := storeFindings(tests[name].found, now)
		if got := codes(found); !maps.Equal(got, tests[name].want) {
			t.Errorf("%s: %v, want %v", name, got, tests[name].want)
		}
		for _, f := range found {
			if f.State != OK && len(f.Advice) == 0 {
				t.Errorf("%s: no advice for %s", name, f.Text)
			}
		}
	}
}
