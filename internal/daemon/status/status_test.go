package status

import (
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/admission"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/daemon/hosts"
	"mdserver/internal/daemon/keys"
	"mdserver/internal/daemon/store"
	"mdserver/internal/daemon/upkeep"
	"mdserver/internal/exporter"
	"mdserver/internal/health"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/logging"
	"mdserver/internal/networks"
	"mdserver/internal/portsecurity"
)

// site is a server that does not run, with its Reporter.
type site struct {
	*Reporter
	cfg *config.Config
	lab *inventorytest.Lab
}

// newSite makes a server with its database in a new directory.
func newSite(t *testing.T, change ...func(*inventory.Options)) site {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "mdserver.conf")
	text := "[mdserver]\ndatabase = DIR/mdserver.db\nlogfile = DIR/mdserver.log\nport = 8080\nlisten_address = 10.0.0.1\nimds = required\n" +
		"[dnsmasq]\nrun = off\nnet_address = 10.0.0.0\nnet_prefix = 28\ngateway = 10.0.0.1\n" +
		"[network lan]\ninterface = br-lan\nnet_address = 10.1.0.0\nnet_prefix = 28\ngateway = 10.1.0.1\nrun = off\n"
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	logs := logging.Open(cfg, io.Discard)
	t.Cleanup(logs.Close)
	log, lab, present := logs.Logger(), inventorytest.New(t, change...), func() *config.Config { return cfg }
	return site{cfg: cfg, lab: lab, Reporter: New(Parts{
		Config: present, ConfigFile: file, Started: time.Unix(1, 0), Log: logs, Clock: health.NewClock(),
		Inventory: lab.Inventory, Upkeep: upkeep.New(lab.Inventory, nil, present, log),
		Hosts: hosts.New(hosts.Options{Store: &store.Store{}, Inventory: lab.Inventory, Config: present}), Keys: &keys.Keys{},
		Networks: networks.New(cfg, lab.Inventory, nil, nil, log), Ports: portsecurity.New("", nil, log),
		Admission: admission.New(admission.Policy{}, nil, nil, log), KnownBy: func() string { return "the source address" },
		Tokens: &imds.Counts{}, Libvirt: func() api.Libvirt { return api.Libvirt{URI: "off"} }, Exporter: exporter.New(nil, log),
	})}
}

// troubles returns the first message of each part that is in trouble. It leaves out the clock,
// which is the host's.
func (s site) troubles() map[string]string {
	found := map[string]string{}
	for _, part := range s.Health() {
		if part.Name != "clock" && part.State != health.OK {
			found[part.Name] = part.Trouble[0].Message
		}
	}
	return found
}

// TestSoundServer checks that a sound server names all its parts and no trouble.
func TestSoundServer(t *testing.T) {
	s := newSite(t)
	var names []string
	for _, part := range s.Health() {
		names = append(names, part.Name)
	}
	if want := []string{"database", "log", "disk", "libvirt", "clock", "snapshots", "network mds", "network lan"}; !slices.Equal(names, want) {
		t.Errorf("the parts are %q, want %q", names, want)
	}
	if found := s.troubles(); len(found) > 0 {
		t.Errorf("it is in trouble: %q", found)
	}
}

// TestTroubleOfEachPart checks that the health shows the trouble of each part, until its cause
// is gone.
func TestTroubleOfEachPart(t *testing.T) {
	t.Run("exporter", func(t *testing.T) {
		s := newSite(t)
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		if err := s.parts.Exporter.Set([]netip.AddrPort{taken.Addr().(*net.TCPAddr).AddrPort()}); err == nil {
			t.Fatal("Set serves an address that another program has")
		}
		if found := s.troubles(); len(found) != 1 || !strings.HasPrefix(found["metrics"], "metrics.listen: listen tcp "+taken.Addr().String()) {
			t.Errorf("with an address that another program has: %q", found)
		}
		if err := s.parts.Exporter.Set(nil); err != nil {
			t.Fatal(err)
		}
		if found := s.troubles(); len(found) > 0 {
			t.Errorf("without that address: %q", found)
		}
	})
	t.Run("libvirt", func(t *testing.T) {
		s := newSite(t)
		s.parts.Libvirt = func() api.Libvirt {
			return api.Libvirt{LibvirtSync: api.LibvirtSync{Socket: "/run/libvirt/libvirt-sock", Error: "closed"}}
		}
		if found := s.troubles(); len(found) != 1 || found["libvirt"] != "no connection: closed" {
			t.Errorf("%q", found)
		}
	})
	t.Run("disk", func(t *testing.T) {
		s := newSite(t)
		missing := filepath.Join(t.TempDir(), "missing")
		s.cfg.Server.Database = filepath.Join(missing, "mdserver.db")
		if found := s.troubles(); len(found) != 1 || found["disk"] != "the directory "+missing+" is missing" {
			t.Errorf("%q", found)
		}
	})
	t.Run("records set aside", func(t *testing.T) {
		s := newSite(t, func(o *inventory.Options) {
			o.Withheld = []storage.Withheld{{UUID: inventorytest.UID(1), Name: "web"}}
		})
		if found := s.troubles(); len(found) != 1 || !strings.HasPrefix(found["database"], "1 guest is not served") {
			t.Errorf("%q", found)
		}
	})
	t.Run("log", func(t *testing.T) {
		s := newSite(t)
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		s.parts.Log = logging.Open(s.cfg, full)
		s.parts.Log.Logger().Error("a line")
		s.parts.Log.Close() // writes it
		if found := s.troubles(); len(found) != 1 || !strings.HasPrefix(found["log"], "the log's stream cannot be written") {
			t.Errorf("%q", found)
		}
	})
	t.Run("log file", func(t *testing.T) {
		s := newSite(t)
		s.cfg.Server.LogFile = "/dev/full"
		s.parts.Log.Reload(s.cfg)
		s.parts.Log.Logger().Error("a line")
		s.parts.Log.Reload(s.cfg) // writes it first
		if found := s.troubles(); len(found) != 1 || !strings.HasPrefix(found["log"], "the log file /dev/full cannot be written") {
			t.Errorf("%q", found)
		}
		s.cfg.Server.LogFile = "" // another configuration
		if found := s.troubles(); len(found) > 0 {
			t.Errorf("a log file that is not used is in trouble: %q", found)
		}
	})
	t.Run("network", func(t *testing.T) {
		served := []networks.Status{{Network: instance.Network{Name: "mds"}}, {Network: instance.Network{Name: "lan"}, Trouble: "no bridge"}, {Network: instance.Network{Name: "open"}}}
		names, found := networkParts(served, func(network string) string {
			return map[string]string{"lan": "no rights", "open": "no rights"}[network]
		})
		if want := []string{"network mds", "network lan", "network open"}; !slices.Equal(names, want) {
			t.Errorf("the parts are %q, want %q", names, want)
		}
		want := []health.Trouble{
			{Part: "network lan", State: health.Wrong, Message: "no bridge"},
			{Part: "network open", State: health.Wrong, Message: "port security is not enforced: no rights"},
		}
		if !reflect.DeepEqual(found, want) {
			t.Errorf("%+v, want %+v", found, want)
		}
	})
}

// TestDiskTrouble checks that each directory that the server writes to is examined, and that
// records set aside are reported.
func TestDiskTrouble(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"db", "first", "second"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sound := func() *config.Config {
		cfg := config.Default()
		cfg.Server.Database = filepath.Join(dir, "db", "mdserver.db")
		cfg.Networks = []config.Network{
			{Backend: config.BackendDnsmasq, Run: "child", BaseDir: filepath.Join(dir, "first")},
			{Backend: config.BackendDnsmasq, Run: "child", BaseDir: filepath.Join(dir, "second")},
		}
		return cfg
	}
	aside := filepath.Join(dir, "aside.db.damaged-1.json")
	if err := os.WriteFile(aside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for _, tt := range []struct {
		name   string
		change func(*config.Config)
		part   string
		want   string // message of the trouble; "" for none
	}{
		{"all is there", func(*config.Config) {}, "", ""},
		{"no directory of the database", func(c *config.Config) { c.Server.Database = missing + "/mdserver.db" }, "disk", "the directory " + missing + " is missing"},
		{"no directory of a second dnsmasq", func(c *config.Config) { c.Networks[1].BaseDir = missing }, "disk", "the directory " + missing + " is missing"},
		{"no dnsmasq", func(c *config.Config) { c.Networks[1].BaseDir, c.Networks[1].Run = missing, "off" }, "", ""},
		{"libvirt's network", func(c *config.Config) { c.Networks[1].BaseDir, c.Networks[1].Backend = missing, config.BackendLibvirt }, "", ""},
		{"records set aside", func(c *config.Config) { c.Server.Database = filepath.Join(dir, "aside.db") }, "database", "damaged records of the database were set aside in " + aside},
		{"a log file on a full disk", func(c *config.Config) { c.Server.LogFile = "/proc/mdserver.log" }, "disk", "the file system of /proc is full"},
	} {
		cfg := sound()
		tt.change(cfg)
		got := diskTrouble(cfg)
		if tt.want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || got[0].Part != tt.part || got[0].State != health.Wrong || got[0].Message != tt.want {
			t.Errorf("%s: %+v, want %q", tt.name, got, tt.want)
		}
	}
}

// TestLine checks that systemd's status line names the worst trouble and counts the others.
func TestLine(t *testing.T) {
	full := health.Trouble{Part: "disk", State: health.Wrong, Message: "full"}
	skewed := health.Trouble{Part: "clock", State: health.Warning, Message: "set back"}
	for _, tt := range []struct {
		trouble []health.Trouble
		want    string
	}{
		{nil, "serving 2 guests on 10.0.0.1:80"},
		{[]health.Trouble{skewed}, "serving 2 guests on 10.0.0.1:80; warning: clock: set back; see `mdserver status`"},
		{[]health.Trouble{full, skewed}, "serving 2 guests on 10.0.0.1:80; wrong: disk: full; and 1 more, see `mdserver status`"},
	} {
		if got := line(2, "10.0.0.1:80", tt.trouble); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	s := newSite(t)
	s.lab.MustRegister(inventorytest.Domain(1, "web"))
	s.parts.Libvirt = func() api.Libvirt {
		return api.Libvirt{LibvirtSync: api.LibvirtSync{Socket: "/run/libvirt/libvirt-sock", Error: "closed"}}
	}
	if got, want := s.Line("10.0.0.1:80"), "serving 1 guest on 10.0.0.1:80; wrong: libvirt: no connection: closed; "; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestStatus checks that the status has what each part reports.
func TestStatus(t *testing.T) {
	s := newSite(t, func(o *inventory.Options) {
		o.Withheld = []storage.Withheld{{UUID: inventorytest.UID(9), Name: "lost", File: "aside"}}
		o.Networks = append(o.Networks, instance.Network{Name: "lan", IPv4: netip.MustParsePrefix("10.1.0.0/28")})
	})
	web := inventorytest.Domain(1, "web")
	web.Interfaces = append(web.Interfaces, instance.Interface{MAC: inventorytest.MAC(40), Network: "lan"})
	s.lab.MustRegister(web)
	s.lab.MustRegister(inventorytest.Domain(2, "db"))
	s.lab.MustRegister(inventorytest.Domain(3, "gone"))
	s.lab.MustRelease("gone")
	for n, state := range []api.RefusalState{api.Refused, api.Unserved, api.Unserved} {
		s.lab.Refuse(api.Refusal{UUID: inventorytest.UID(20 + n), State: state, Source: instance.ByHook})
	}
	s.parts.Tokens.Tokens.Store(3)
	s.parts.Tokens.WithoutToken.Store(4)
	s.parts.Tokens.Refused.Store(5)
	aside := s.cfg.Server.Database + ".damaged-1.json"
	if err := os.WriteFile(aside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := s.Status()
	want := api.Status{
		Version: s.cfg.Service.Version, PID: os.Getpid(), Started: time.Unix(1, 0), Config: s.parts.ConfigFile, Listen: "10.0.0.1:8080",
		Networks: []api.Network{{
			Name: "mds", Backend: "dnsmasq", Bridge: "br-mds", IPv4: "10.0.0.0/28", Scope: "shared", Guests: 2, Used: 2,
			Ranges: []string{"10.0.0.2-10.0.0.4", "10.0.0.8-10.0.0.14"}, Free: 8, Dnsmasq: got.Networks[0].Dnsmasq, PortSecurity: got.Networks[0].PortSecurity,
		}, {
			Name: "lan", Backend: "dnsmasq", Bridge: "br-lan", IPv4: "10.1.0.0/28", Scope: "shared", Guests: 1, Used: 1,
			Ranges: []string{"10.1.0.1-10.1.0.14"}, Free: 13, Dnsmasq: got.Networks[1].Dnsmasq, PortSecurity: got.Networks[1].PortSecurity,
		}},
		Guests: 2, NotServed: api.NotServed{Refused: 1, Unserved: 2}, Addresses: api.Addresses{Used: 3, Resting: 1},
		IMDS: api.IMDS{Mode: "required", Tokens: 3, WithoutToken: 4, Refused: 5}, Identity: "the source address", Libvirt: api.Libvirt{URI: "off"},
		Dnsmasq: *got.Networks[0].Dnsmasq, SetAside: []string{aside},
		Withheld: []api.Withheld{{UUID: inventorytest.UID(9), Name: "lost", File: "aside"}}, Health: got.Health,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Networks[0].Dnsmasq == nil || len(got.Health) == 0 {
		t.Errorf("the status lacks dnsmasq or the health: %+v", got)
	}
}
