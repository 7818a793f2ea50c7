package apply

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/fleet"
	"mdserver/internal/hostsfile"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/networks"
	"mdserver/internal/roottest"
)

// Some of these tests apply networks to the host that they run on.
func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// No guest may come by another network than that of its address.
func TestPolicyOfTwoNetworks(t *testing.T) {
	cfg := load(t, `[dnsmasq]
net_name = mds
use_dns = yes
domain = example.net
[network lan]
interface = br-lan
net_address = 10.50.0.0
domain = lan.example.net
reserved = 10.50.0.9
`)
	policy := AdmissionPolicy(cfg, networks.Configured(cfg))
	if !slices.Equal(policy.Interfaces, []string{"br-mds", "br-lan"}) || policy.Bridges["lan"] != "br-lan" || policy.Bridges["mds"] != "br-mds" {
		t.Errorf("policy %+v", policy)
	}
	routed := load(t, "[mdserver]\naccept_interfaces = eth1\n")
	if policy := AdmissionPolicy(routed, networks.Configured(routed)); !policy.Routed || !slices.Equal(policy.Interfaces, []string{"eth1"}) {
		t.Errorf("behind a router %+v", policy)
	}
}

// TestInventoryOptions checks that each key of the configuration that concerns the inventory
// reaches it.
func TestInventoryOptions(t *testing.T) {
	cfg := load(t, `[mdserver]
max_guests = 7
hostname_prefix = guest-
[dnsmasq]
quarantine = 90
[service]
hostname = KVM1.example.net.
location = rack 4
[store]
host = rack4
`)
	cfg.Server.Database = filepath.Join(t.TempDir(), "inventory.db")
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("10.0.0.1 printer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	all := networks.Configured(cfg)
	opts := InventoryOptions(cfg, all, &store.Store{HostID: "me"}, hostsfile.New(hosts, log), log)
	if opts.MaxGuests != 7 || opts.FallbackHostname != "guest-" || opts.Quarantine != cfg.Dnsmasq.Quarantine || opts.Quarantine == 0 ||
		opts.Location != "rack 4" || len(opts.Networks) != 1 || opts.Log != log {
		t.Errorf("options %+v", opts)
	}
	for _, name := range []string{"kvm1.example.net", "kvm1"} {
		if !slices.Contains(opts.OwnNames, name) {
			t.Errorf("own names %q lack %s", opts.OwnNames, name)
		}
	}
	if own, err := os.Hostname(); err != nil || !slices.Contains(opts.OwnNames, strings.ToLower(own)) {
		t.Errorf("own names %q lack %s (%v)", opts.OwnNames, own, err)
	}
	if opts.Hosts("printer") == nil {
		t.Error("the options do not use the hosts file")
	}
	if opts.HostID != "" || opts.HostName != "" || opts.Alive != nil || opts.Drained != nil {
		t.Errorf("a host outside a fleet has %+v", opts)
	}
	f := fleet.New(fleet.Options{ID: "me", Log: log})
	opts = InventoryOptions(cfg, all, &store.Store{HostID: "me", Fleet: f}, hostsfile.New(hosts, log), log)
	if opts.HostID != "me" || opts.HostName != "rack4" || opts.Alive == nil || opts.Drained == nil || opts.Drained() {
		t.Errorf("a host of a fleet has %+v", opts)
	}
}

// TestWithheld checks that guests whose records were set aside keep their addresses, even if
// one of several files cannot be read.
func TestWithheld(t *testing.T) {
	cfg := load(t, "[mdserver]\n")
	cfg.Server.Database = filepath.Join(t.TempDir(), "inventory.db")
	database, err := boltstore.Open(cfg.Server.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	guest := instance.Instance{Name: "web", UUID: uuid.UUID{15: 1}}
	if err := errors.Join(database.SetAside(t.Context(), []instance.Instance{guest}, []error{errors.New("it contradicts another one")}), database.Close()); err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	options := func() inventory.Options {
		return InventoryOptions(cfg, nil, &store.Store{}, hostsfile.New("/dev/null", log), log)
	}
	if opts := options(); len(opts.Withheld) != 1 || opts.Withheld[0].Name != "web" || logged.Len() > 0 {
		t.Errorf("withheld %+v: %s", opts.Withheld, &logged)
	}
	files := boltstore.Asides(cfg.Server.Database)
	if len(files) != 1 {
		t.Fatalf("set aside in %q", files)
	}
	if err := os.WriteFile(strings.TrimSuffix(files[0], ".json")+"0.json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if opts := options(); len(opts.Withheld) != 1 || !strings.Contains(logged.String(), "addresses of guests whose records were set aside are not reserved") {
		t.Errorf("withheld %+v: %s", opts.Withheld, &logged)
	}
}

// TestAdmissionPolicy checks that the configuration and the networks decide which requests are
// let in.
func TestAdmissionPolicy(t *testing.T) {
	bridged := instance.Network{Name: "mds", Bridge: "br-mds"}
	pending := instance.Network{Name: "lan"}
	for _, tt := range []struct {
		text       string
		networks   []instance.Network
		routed     bool
		interfaces []string // nil: any
		bridges    map[string]string
	}{
		{"", []instance.Network{bridged}, false, []string{"br-mds"}, map[string]string{"mds": "br-mds"}},
		{"", []instance.Network{bridged, pending}, false, []string{"br-mds"}, map[string]string{"mds": "br-mds"}},
		{"", []instance.Network{pending}, false, []string{}, map[string]string{}},
		{"accept_interfaces = eth1, eth2\n", []instance.Network{bridged}, true, []string{"eth1", "eth2"}, map[string]string{"mds": "br-mds"}},
		{"accept_interfaces = any\n", []instance.Network{bridged}, true, nil, map[string]string{"mds": "br-mds"}},
	} {
		policy := AdmissionPolicy(load(t, "[mdserver]\n"+tt.text), tt.networks)
		if policy.Routed != tt.routed || !reflect.DeepEqual(policy.Interfaces, tt.interfaces) || !maps.Equal(policy.Bridges, tt.bridges) {
			t.Errorf("%q and %v: %+v", tt.text, names(tt.networks), policy)
		}
	}
	policy := AdmissionPolicy(load(t, "[mdserver]\nverify_mac = no\nmax_connections = 70\nguest_connections = 7\nrequest_rate = 17\n"), nil)
	if policy.Verify != admission.Verify("no") || policy.Connections != 70 || policy.GuestConnections != 7 || policy.RequestRate != 17 {
		t.Errorf("limits %+v", policy)
	}
}

// TestAddresses checks that a bridge gets the addresses that guests of its network ask at, if
// the configuration says so.
func TestAddresses(t *testing.T) {
	const mds, lan = "[network mds]\ninterface = br-mds\nnet_address = 10.122.0.0\n", "[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\n"
	const mds6, lan6, off = "net_address6 = fd00:122::\n", "net_address6 = fd00:50::\n", "own_address = no\n"
	for _, tt := range []struct{ name, text, want string }{
		{"IPv4", mds, "[br-mds] [169.254.169.254]"},
		{"IPv6, too", mds + mds6, "[br-mds] [169.254.169.254 fd00:ec2::254]"},
		{"every address of IPv4", "[mdserver]\nlisten_address = 0.0.0.0\n" + mds, "[br-mds] [169.254.169.254]"},
		{"every address", "[mdserver]\nlisten_address = ::\n" + mds + mds6, "[br-mds] [169.254.169.254 fd00:ec2::254]"},
		{"every address, and no IPv6 on the network", "[mdserver]\nlisten_address = ::\n" + mds, "[br-mds] [169.254.169.254]"},
		{"another address", "[mdserver]\nlisten_address = 10.122.0.1\n" + mds, "[br-mds] []"},
		{"another address of IPv6", "[mdserver]\nlisten_address6 = fd00:122::1\n" + mds + mds6, "[br-mds] [169.254.169.254]"},
		{"two networks", mds + mds6 + lan + lan6, "[br-mds br-lan] [169.254.169.254 fd00:ec2::254]"},
		{"IPv6 on the second", mds + lan + lan6, "[br-mds br-lan] [169.254.169.254 fd00:ec2::254]"},
		{"not on the first", mds + mds6 + off + lan, "[br-lan] [169.254.169.254]"},
		{"on none", mds + off, "[] []"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParts(t, tt.text)
			p.applier.keepAddresses(p.config, p.networks)
			p.mustTell("addresses " + tt.want)
			for i := range p.networks {
				p.networks[i].Bridge = "" // libvirt has not named it yet
			}
			p.applier.keepAddresses(p.config, p.networks)
			p.mustTell("addresses [] []")
		})
	}
}

// TestRenameReservedWhenNamesChange checks that names are reserved again if the names of this
// host or of a network change.
func TestRenameReservedWhenNamesChange(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(p *parts)
		renamed bool
	}{
		"the same names":     {func(*parts) {}, false},
		"another host name":  {func(p *parts) { p.config.Service.Hostname = "kvm2" }, true},
		"another prefix":     {func(p *parts) { p.networks[0].NamePrefix = "x-" }, true},
		"another domain":     {func(p *parts) { p.networks[0].Domain = "example.com" }, true},
		"another network":    {func(p *parts) { p.networks[0].Name = "lan" }, true},
		"another MTU of one": {func(p *parts) { p.networks[0].MTU = 9000 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newParts(t, oneNetwork)
			p.apply()
			before := p.applier.applied.naming
			next := *p.config
			p.config = &next
			tt.change(p)
			p.apply()
			if renamed := p.applier.applied.naming != before; renamed != tt.renamed {
				t.Errorf("names are %q, and were %q", p.applier.applied.naming, before)
			}
		})
	}
}
