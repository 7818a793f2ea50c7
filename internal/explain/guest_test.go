package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/pool"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/portsecurity/table"
	"mdserver/internal/timeline"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// lines are facts as text.
func lines(facts []api.Fact) string {
	var list []string
	for _, f := range facts {
		list = append(list, fmt.Sprintf("%s: %s (%s)", f.Name, f.Value, f.Source))
	}
	return strings.Join(list, "\n")
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

// rich is a guest with a value for every fact.
func rich() instance.Instance {
	id := uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	return instance.Instance{
		Name: "web1", UUID: id, ID: instance.DeriveID(id), Hostname: "WEB1", Location: "kvm1", Network: "mds", MAC: instance.MAC{2, 1}, IPv4: netip.MustParseAddr("10.122.0.2"),
		Hardware:   instance.Hardware{VCPUs: 2, Memory: 1 << 30, Arch: "x86_64"},
		Interfaces: []instance.Interface{{MAC: instance.MAC{2, 1}, Network: "mds"}, {MAC: instance.MAC{2, 2}}},
		Metadata:   instance.Metadata{Values: map[string]string{"rack": "4"}, Tags: map[string]string{"env": "prod"}, Warnings: []string{"a warning"}},
		FirstSeen:  at, Seen: map[string]time.Time{instance.ByHook: at.Add(time.Hour), instance.ByLibvirt: at.Add(2 * time.Hour)},
	}
}

func TestFacts(t *testing.T) {
	guest := rich()
	s := Subject{Guest: &guest, Keys: []string{"ann", "bob"}, Settings: []config.Setting{
		{Key: "service.location", Value: "kvm1", File: "/etc/mdserver.conf", Line: 7}, {Key: "mdserver.imds", Value: "optional"}}}
	wantText(t, "facts", lines(s.facts()), `name: web1 (the domain's definition)
UUID: 7e5a544d-d555-4133-a443-8229415be701 (the domain's definition)
instance-id: `+guest.ID+` (derived from the UUID)
host name: WEB1 (the domain's name)
MAC: 02:01:00:00:00:00 (the domain's definition, its interface on a served network)
location: kvm1 (service.location, /etc/mdserver.conf:7)
SSH keys: ann, bob (the section [public-keys] of the configuration)
CPUs: 2 (the domain's definition)
memory: 1024 MiB (the domain's definition)
architecture: x86_64 (the domain's definition)
interface: 02:01:00:00:00:00 mds (the domain's definition)
interface: 02:02:00:00:00:00 (the domain's definition)
metadata rack: 4 (the domain's definition, <metadata>)
metadata tags: env=prod (the domain's definition, <metadata>)
warning: a warning (the domain's definition, <metadata>)
IMDS tokens: optional (mdserver.imds, the default)
first seen: 2026-01-02T03:04:05Z (its first registration)
last told: 2026-01-02T04:04:05Z (libvirt's hook)
last told: 2026-01-02T05:04:05Z (libvirt's events)`)

	imported := instance.Instance{Name: "localhost", Hostname: "localhost-1", ID: "i-of-the-other", Metadata: instance.Metadata{Values: map[string]string{"imds": "required"}}}
	wantText(t, "imported", lines(Subject{Guest: &imported}.facts()), `name: localhost (the domain's definition)
UUID: 00000000-0000-0000-0000-000000000000 (the domain's definition)
instance-id: i-of-the-other (the Python mdserver's database, or set by `+"`mdserver instance reprovision`"+`)
host name: localhost-1 (derived from the domain's name, which is reserved: `+instance.ReservedName("localhost")+`)
MAC: 00:00:00:00:00:00 (the domain's definition, its interface on a served network)
location:  (service.location)
SSH keys:  (the section [public-keys] of the configuration)
metadata imds: required (the domain's definition, <metadata>)
IMDS tokens: required (the domain's definition, <metadata> imds)
first seen: 0001-01-01T00:00:00Z (the Python mdserver's database)`)

	for _, tt := range []struct{ name, hostname, requested, want string }{
		{"web_1", "web-1", "", "derived from the domain's name, to be valid, a single label, and different from other guests' and this host's names"},
		{"web1", "db", "db", "the domain's definition, <metadata> hostname"},
	} {
		guest := instance.Instance{Name: tt.name, Hostname: tt.hostname, Metadata: instance.Metadata{Values: map[string]string{"hostname": tt.requested}}}
		wantText(t, tt.hostname, Subject{Guest: &guest}.hostnameSource(), tt.want)
	}
}

// Each case changes a guest that lacks nothing, and has these problems then.
func TestProblems(t *testing.T) {
	snapshot := newInventory(t, "web1", "web2")
	ago := func(d time.Duration) *time.Time { at := time.Now().Add(-d); return &at }
	failed := api.Request{Method: "GET", Path: "/latest/x", Status: 404}
	kinds := func(names ...string) []api.RequestKind {
		var list []api.RequestKind
		for _, name := range names {
			list = append(list, api.RequestKind{Name: name, Count: 1})
		}
		return list
	}
	for name, tt := range map[string]struct {
		change func(*Subject, *instance.Instance)
		want   string // codes
	}{
		"nothing": {func(*Subject, *instance.Instance) {}, ""},
		"refused": {func(s *Subject, _ *instance.Instance) {
			s.Refusal = &api.Refusal{State: api.Refused, Reason: "MAC address in use"}
		}, "definition_refused"},
		"no address":          {func(_ *Subject, g *instance.Instance) { g.IPv4 = netip.Addr{} }, "no_address"},
		"IPv6 alone":          {func(_ *Subject, g *instance.Instance) { g.IPv4, g.IPv6 = netip.Addr{}, netip.MustParseAddr("fd00::1") }, ""},
		"not shared":          {func(_ *Subject, g *instance.Instance) { g.Unshared = true }, "not_shared"},
		"on two hosts":        {func(s *Subject, _ *instance.Instance) { s.RunsOn = "kvm2" }, "runs_on_two_hosts"},
		"no key":              {func(s *Subject, _ *instance.Instance) { s.Keys = nil }, "no_ssh_key"},
		"a failing template":  {func(s *Subject, _ *instance.Instance) { s.Template.Error = "x" }, "user_data_failed"},
		"no hook":             {func(_ *Subject, g *instance.Instance) { g.Seen = nil }, "hook_did_not_report"},
		"no DHCP":             {func(s *Subject, _ *instance.Instance) { s.DHCP = nil }, "no_dhcp"},
		"DHCP not heard":      {func(s *Subject, _ *instance.Instance) { s.DHCP, s.Hears = nil, false }, ""},
		"ran before, no DHCP": {func(s *Subject, _ *instance.Instance) { s.DHCP, s.Found = nil, true }, ""},
		"no answer by DHCP":   {func(s *Subject, _ *instance.Instance) { s.DHCP.Message = "DHCPDISCOVER" }, "dhcp_incomplete"},
		"declined":            {func(s *Subject, _ *instance.Instance) { s.DHCP.Declined = ago(declineMatters - time.Minute) }, "dhcp_declined"},
		"declined long ago":   {func(s *Subject, _ *instance.Instance) { s.DHCP.Declined = ago(declineMatters + time.Minute) }, ""},
		"no requests":         {func(s *Subject, _ *instance.Instance) { s.Requests.Kinds = nil }, "no_requests"},
		"ran before": {func(s *Subject, g *instance.Instance) {
			s.Requests.Kinds, s.Found, g.FirstSeen = nil, true, at.Add(-time.Hour)
		}, "started_before_server"},
		"ran before, asked": {func(s *Subject, _ *instance.Instance) { s.Found = true }, ""},
		"other requests":    {func(s *Subject, _ *instance.Instance) { s.Requests.Kinds = kinds("service") }, "no_metadata_requests"},
		"no user-data":      {func(s *Subject, _ *instance.Instance) { s.Requests.Kinds = kinds(timeline.Metadata()[1]) }, "no_user_data_request"},
		"failed requests": {func(s *Subject, _ *instance.Instance) {
			other := failed
			other.Status = 500
			s.Requests.Recent = []api.Request{failed, {Path: "/latest/y", Status: 399}, failed, other, {Path: "/latest/\x1b[2J", Status: 400}}
		}, "request_failed request_failed request_failed"},
		"an unknown driver": {func(s *Subject, g *instance.Instance) {
			s.Requests.Kinds = nil
			g.Interfaces[len(g.Interfaces)-1].Model = "e1000"
		}, "driver_missing no_requests"},
		"a tap elsewhere": {func(s *Subject, _ *instance.Instance) { s.Taps = []Tap{{"vnet1", "", "br0"}} }, "tap_not_on_bridge"},
	} {
		t.Run(name, func(t *testing.T) {
			known, _ := snapshot.ByName("web1")
			guest := *known
			guest.Interfaces = slices.Clone(known.Interfaces)
			s := Subject{Guest: &guest, Snapshot: snapshot, Networks: []instance.Network{network}, Keys: []string{"ann"}, Hears: true,
				DHCP: &api.DHCP{Message: "DHCPACK", At: at}, Requests: api.Requests{Kinds: kinds(timeline.Metadata()[0], timeline.Userdata()[0])}, Started: at}
			tt.change(&s, &guest)
			doc := Guest(s)
			var codes []string
			for i, problem := range doc.Problems {
				codes = append(codes, problem.Code)
				if doc.Missing[i] != problem.Text || strings.Contains(problem.Text, "\x1b") {
					t.Errorf("%q is told as %q", problem.Text, doc.Missing[i])
				}
			}
			if got := strings.Join(codes, " "); got != tt.want {
				t.Errorf("%q, want %q:\n%s", got, tt.want, strings.Join(doc.Missing, "\n"))
			}
		})
	}
	unshared := instance.Instance{Unshared: true}
	if text := strings.Join(Guest(Subject{Guest: &unshared, Snapshot: snapshot}).Missing, "\n"); !strings.Contains(text, "it gets one when etcd answers") || strings.Contains(text, "a free one") {
		t.Errorf("without an address while etcd does not answer:\n%s", text)
	}
}

// spareStore is a store with a spare address of another host.
type spareStore struct {
	*storetest.Memory
	spare instance.Spare
}

func (s spareStore) Load(ctx context.Context) (instance.Table, error) {
	table, err := s.Memory.Load(ctx)
	table.Spares = []instance.Spare{s.spare}
	return table, err
}

// What was passed on the way from the hash to the address, and why.
func TestPassedAddresses(t *testing.T) {
	guest := rich()
	first := pool.FirstCandidate(netip.MustParsePrefix("10.122.0.0/24"), guest.UUID)
	for first.As4()[3] < 248 { // so that the search begins again at the start of the network
		guest.UUID = uuid.NewSHA1(guest.UUID, nil)
		first = pool.FirstCandidate(netip.MustParsePrefix("10.122.0.0/24"), guest.UUID)
	}
	guest.ID = instance.DeriveID(guest.UUID)
	nth := func(n int) netip.Addr {
		addr := first
		for range n {
			if addr = addr.Next(); !netip.MustParsePrefix("10.122.0.0/24").Contains(addr) {
				addr = netip.MustParseAddr("10.122.0.0")
			}
		}
		return addr
	}
	store := spareStore{storetest.NewMemory(), instance.Spare{Addr: nth(3), Network: "mds", Host: "kvm2", Owner: "b"}}
	inv, err := inventory.Open(t.Context(), store, inventory.Options{Quarantine: time.Hour, Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/24")}}})
	if err != nil {
		t.Fatal(err)
	}
	defer inv.Close()
	guest.IPv4 = nth(11)
	guest.Further = []instance.Attachment{{Network: "mds", MAC: instance.MAC{2, 2}, IPv4: nth(1)}}
	other := instance.Instance{Name: "db", Hostname: "db", ID: "i-db", UUID: uuid.New(), Network: "mds", MAC: instance.MAC{2, 9}, IPv4: first}
	rests := instance.Resting{Addr: nth(2), UUID: uuid.New(), Since: time.Now()}
	adopted, err := inv.Adopt(t.Context(), instance.Table{Instances: []instance.Instance{guest, other}, Resting: []instance.Resting{rests}}, false)
	if err != nil || len(adopted.Added) != 2 || adopted.Resting != 1 {
		t.Fatalf("%+v, %v", adopted, err)
	}
	s := Subject{Guest: &guest, Snapshot: inv.Snapshot(), Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/24"),
		Excluded: []instance.AddrRange{{First: nth(4), Last: nth(4)}}}}}
	a := Guest(s).Addresses[0]
	want := []string{"belongs to guest db", "belongs to another interface of the guest", "in quarantine since its guest was removed", "set aside by the host kvm2 for guests that start while etcd does not answer",
		"reserved, or this host's", "was in use then, and is free now", "was in use then, and is free now", "was in use then, and is free now"}
	if len(a.Passed) != mostPassed || a.More != 11-mostPassed || a.Network != "mds" || a.Address != guest.IPv4 {
		t.Errorf("%+v", a)
	}
	for i, passed := range a.Passed {
		if passed.Address != nth(i) || passed.Reason != want[i] {
			t.Errorf("passed %v, which %s; want %v, which %s", passed.Address, passed.Reason, nth(i), want[i])
		}
	}
	if want := "the hash of the UUID gives " + first.String() + "; this is the first free address from there"; a.Why != want {
		t.Errorf("%q, want %q", a.Why, want)
	}

	fixed, imported := guest, guest
	fixed.IPv6, fixed.Metadata.Values = netip.MustParseAddr("fd00::5"), map[string]string{"ipv4": guest.IPv4.String(), "ipv6": "fd00::5"}
	imported.ID = "i-of-the-other"
	for _, tt := range []struct {
		guest *instance.Instance
		n     int // of its addresses
		want  string
	}{
		{&fixed, 0, "static: requested by the domain's <metadata>"},
		{&fixed, 1, "static: requested by the domain's <metadata>"},
		{&imported, 0, "imported from the Python mdserver"},
	} {
		s.Guest = tt.guest
		if a := Guest(s).Addresses[tt.n]; a.Why != tt.want {
			t.Errorf("%v: %q, want %q", a.Address, a.Why, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	r := api.Refusal{Name: "web1", UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701"), MACs: []instance.MAC{{2, 1}, {2, 2}}, Reason: "no interface", Source: instance.ByHook, Since: at, Last: at.Add(time.Hour)}
	doc := Refused(r, at)
	wantText(t, "facts", lines(doc.Facts), `name: web1 (the domain's definition)
UUID: 7e5a544d-d555-4133-a443-8229415be701 (the domain's definition)
MAC: 02:01:00:00:00:00, 02:02:00:00:00:00 (the domain's definition)
last told: 2026-01-02T04:04:05Z (libvirt's hook)`)
	if doc.Name != "web1" || doc.Served || doc.Refusal.Reason != r.Reason || doc.Since != at || doc.Problems[0].Code != "not_a_guest" || strings.Join(doc.Missing, "") != "it is not a guest: no interface" {
		t.Errorf("%+v", doc)
	}
}

func TestWithheld(t *testing.T) {
	w := storage.Withheld{UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701"), ID: "i-1", Name: "web1", Hostname: "web", File: "/var/lib/x",
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}}
	doc := Withheld(w, at)
	wantText(t, "facts", lines(doc.Facts), `name: web1 (the record that was set aside)
UUID: 7e5a544d-d555-4133-a443-8229415be701 (the record that was set aside)
instance-id: i-1 (the record that was set aside)
host name: web (the record that was set aside)
addresses: 10.0.0.1, fd00::1 (the record that was set aside)`)
	if doc.Name != "web1" || doc.Served || doc.Since != at || len(doc.Missing) != 3 || doc.Problems[0].Code != "record_set_aside" || !strings.Contains(doc.Missing[0], "/var/lib/x") {
		t.Errorf("%+v", doc)
	}
	if doc := Withheld(storage.Withheld{ID: "i-1"}, at); len(doc.Facts) != 1 {
		t.Errorf("what is not known is told: %+v", doc.Facts)
	}
}

// What a port has is told as it is.
func TestEnforced(t *testing.T) {
	port := api.Port{Name: "vnet1", Network: "mds", MACs: []instance.MAC{{2, 1}}, Addrs: []netip.Addr{netip.MustParseAddr("fd00::1")}, Dropped: api.Drops{string(table.KindARP): 2}}
	p := enforced(port)
	if p.Network != "mds" || p.Port != "vnet1" || len(p.MACs) != 1 || p.Dropped[string(table.KindARP)] != 2 || fmt.Sprint(p.Sends) != "[fd00::1/128]" {
		t.Errorf("%+v", p)
	}
	guest := rich()
	others := instance.Network{Name: "other"}
	all := Guest(Subject{Guest: &guest, Snapshot: newInventory(t), Networks: []instance.Network{others, network}, Ports: []api.Port{port}}).PortSecurity
	if len(all) != 1 || all[0].Port != "vnet1" {
		t.Errorf("on a network that the guest is not on: %+v", all)
	}
	guest.Further = []instance.Attachment{{Network: "other", MAC: instance.MAC{2, 2}}}
	second := port
	second.Name, second.Network = "vnet2", "other"
	all = Guest(Subject{Guest: &guest, Snapshot: newInventory(t), Networks: []instance.Network{others, network}, Ports: []api.Port{port, second}}).PortSecurity
	if len(all) != 2 || all[0].Port != "vnet2" || all[1].Port != "vnet1" {
		t.Errorf("on two networks: %+v", all)
	}
}

// Of the addresses that a guest may send from, those of others are told.
func TestClaimed(t *testing.T) {
	snapshot := newInventory(t, "web1")
	web1, _ := snapshot.ByName("web1")
	routed := network
	routed.Gateway4, routed.Gateway6 = netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fe80::1")
	guest := rich()
	guest.IPv4 = netip.MustParseAddr("10.122.9.9")
	for allowed, want := range map[string]int{
		"": 0, "fe80::1": 1, "10.122.0.1": 1, "fe80::2": 0, web1.IPv4.String(): 1, guest.IPv4.String(): 0,
		netip.PrefixFrom(web1.IPv4, 31).String(): 0,
	} {
		guest.Metadata.Values = map[string]string{instance.KeyAllowedAddresses: allowed}
		s := Subject{Guest: &guest, Snapshot: snapshot, Networks: []instance.Network{routed}}
		if got := s.claimed(); len(got) != want {
			t.Errorf("%q: %+v, want %d", allowed, got, want)
		}
	}
}

// An explanation has what is known of the guest.
func TestWhatIsKnown(t *testing.T) {
	guest := rich()
	s := Subject{Guest: &guest, Snapshot: newInventory(t), Refusal: &api.Refusal{Reason: "x"}, Template: api.TemplateChoice{Error: "x"},
		Requests: api.Requests{Kinds: []api.RequestKind{{Name: "x"}}}, DHCP: &api.DHCP{Message: "x"}, Started: at.Add(time.Minute)}
	doc := Guest(s)
	if doc.Name != guest.Name || !doc.Served || doc.Refusal != s.Refusal || doc.Template.Error != "x" || len(doc.Requests.Kinds) != 1 || doc.DHCP != s.DHCP || doc.Since != s.Started {
		t.Errorf("%+v", doc)
	}
	if doc.Addresses == nil || doc.PortSecurity == nil || doc.Missing == nil || doc.Problems == nil {
		t.Errorf("an empty list is missing: %+v", doc)
	}
}
