package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/config"
	"mdserver/internal/daemon/apply"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/libvirt/libvirttest"
	"mdserver/internal/logtest"
	"mdserver/internal/networks"
)

// withLibvirt is a server that does not run, with a network "mds" of its own and the
// configuration's file. It can also serve the network "lan" of a libvirt.
type withLibvirt struct {
	*Daemon
	t       *testing.T
	libvirt *libvirttest.Server
	text    string // the configuration without lan
	applied []string
}

const lan = "[network lan]\nbackend = libvirt\n"

// newWithLibvirt makes the server with more sections of its configuration.
func newWithLibvirt(t *testing.T, sections string) *withLibvirt {
	t.Helper()
	dir := t.TempDir()
	s := &withLibvirt{t: t, libvirt: libvirttest.New(t)}
	s.libvirt.SetNetwork(libvirttest.Network{Name: "lan", Bridge: "virbr7", Active: true, Persistent: true,
		XML: `<network><name>lan</name><bridge name='virbr7'/><ip address='198.51.100.1' netmask='255.255.255.0'/></network>`})
	s.text = strings.NewReplacer("DIR", dir, "LIBVIRT", s.libvirt.Socket).Replace(
		"[mdserver]\ndb_file = DIR/none.json\nuserdata_dir = DIR\n[libvirt]\nuri = qemu+unix:///system?socket=LIBVIRT\n" +
			"[dnsmasq]\nnet_name = mds\nrun = off\nport_security = no\n")
	file := filepath.Join(dir, "mdserver.conf")
	writeFile(t, file, s.text+sections)
	s.Daemon = newDaemon(t, loadFile(t, file))
	s.opts.ConfigFile = file
	s.Daemon.applier = apply.New(s.parts())
	t.Cleanup(s.closeNetworks)
	return s
}

// write replaces the sections that the next reload reads.
func (s *withLibvirt) write(sections string) {
	s.t.Helper()
	writeFile(s.t, s.opts.ConfigFile, s.text+sections)
}

// parts are those of the server with networks that are noted whenever they are applied.
func (s *withLibvirt) parts() apply.Parts {
	parts := s.Daemon.applied()
	parts.Networks = noted{s.networks, func(all []instance.Network) {
		text := fmt.Sprint("of ", len(s.networks.Status()), ":") // backends
		for _, n := range all {
			text += " " + n.Name
			if n.Pending {
				text += " is pending"
			}
		}
		s.applied = append(s.applied, text)
	}}
	return parts
}

// noted are networks that never change by themselves.
type noted struct {
	*networks.Networks
	note func(all []instance.Network)
}

// Changed implements apply.Networks.
func (n noted) Changed() <-chan struct{} { return nil }

// Describe implements apply.Networks.
func (n noted) Describe(cfg *config.Config) []instance.Network {
	all := n.Networks.Describe(cfg)
	n.note(all)
	return all
}

// served lists the networks that guests are answered for, with their addresses.
func (s *withLibvirt) served() string {
	var list []string
	for _, n := range s.router.Load().Networks {
		list = append(list, n.Name+" "+n.IPv4.String())
	}
	return strings.Join(list, ", ")
}

const bothNetworks = "mds 10.122.0.0/16, lan 198.51.100.0/24"

// TestStartAppliesNetworks checks that networks are applied before their backends start, which
// need this host's addresses, and after that, with what the backends know by then.
func TestStartAppliesNetworks(t *testing.T) {
	s := newWithLibvirt(t, lan)
	if err := s.startNetworks(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"of 2: mds lan is pending", "of 2: mds lan"}; !slices.Equal(s.applied, want) {
		t.Errorf("applied are %q, want %q", s.applied, want)
	}
	if got := s.served(); got != bothNetworks {
		t.Errorf("guests are served on %s, want %s", got, bothNetworks)
	}
}

// TestReloadAppliesNetworks checks that a reload does so, too.
func TestReloadAppliesNetworks(t *testing.T) {
	s := newWithLibvirt(t, "")
	follow(t, s.Daemon)
	s.write(lan)
	if done, err := s.reload(t.Context()); err != nil || len(done.Warnings) > 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if want := []string{"of 1: mds lan is pending", "of 2: mds lan"}; !slices.Equal(s.applied, want) {
		t.Errorf("applied are %q, want %q", s.applied, want)
	}
	if got := s.served(); got != bothNetworks {
		t.Errorf("guests are served on %s, want %s", got, bothNetworks)
	}
}

// TestReloadWarnsOfNetworks checks that who asks for a reload is told what is wrong with the
// networks, since the configuration is in force all the same.
func TestReloadWarnsOfNetworks(t *testing.T) {
	const stopping = "the server is stopping"
	for _, tt := range []struct {
		name    string
		begin   func(t *testing.T, s *withLibvirt)
		warning string
	}{
		{"nothing is wrong", func(t *testing.T, s *withLibvirt) { follow(t, s.Daemon) }, ""},
		{"networks are not applied any more", func(t *testing.T, s *withLibvirt) { follow(t, s.Daemon)() }, stopping + "\n" + stopping},
		{"libvirt refuses", func(t *testing.T, s *withLibvirt) {
			follow(t, s.Daemon)
			s.libvirt.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
		}, "network lan: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newWithLibvirt(t, lan)
			if err := s.startNetworks(t.Context()); err != nil {
				t.Fatal(err)
			}
			tt.begin(t, s)
			s.write(lan + "prefix = vm-\n")
			done, err := s.reload(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(done.Warnings, "; "); !strings.HasPrefix(got, tt.warning) || (got == "") != (tt.warning == "") {
				t.Errorf("the warnings are %q, want %q", got, tt.warning)
			}
			if got := s.config.Load().Networks[1].Prefix; got != "vm-" {
				t.Errorf("the prefix in force is %q", got)
			}
		})
	}
}

// TestStartWithoutLibvirt checks that a network that cannot be served yet does not keep the
// server from starting.
func TestStartWithoutLibvirt(t *testing.T) {
	s := newWithLibvirt(t, lan)
	s.libvirt.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
	if err := s.startNetworks(t.Context()); err != nil {
		t.Errorf("the start ends with %v", err)
	}
	if got, want := s.served(), "mds 10.122.0.0/16, lan invalid Prefix"; got != want {
		t.Errorf("guests are served on %s, want %s", got, want)
	}
}

// TestStartWithoutDnsmasq checks that guests are served, although DHCP and DNS are not ready.
func TestStartWithoutDnsmasq(t *testing.T) {
	log := &logtest.Buffer{}
	dir := t.TempDir()
	file := filepath.Join(dir, "mdserver.conf")
	writeFile(t, file, "[mdserver]\ndb_file = "+dir+"/none.json\nuserdata_dir = "+dir+"\n[dnsmasq]\nport_security = no\nbase_dir = /proc/none\n")
	d, end := openDaemon(t, loadFile(t, file), log)
	if err := d.startNetworks(t.Context()); err != nil {
		t.Errorf("the start ends with %v", err)
	}
	d.closeNetworks()
	end() // writes the lines that wait
	if !strings.Contains(log.String(), "DHCP and DNS are not ready yet") {
		t.Errorf("the log has %s", log)
	}
}

// TestStartTakesOver checks that a server has the guests of the Python mdserver's database from
// its first start on.
func TestStartTakesOver(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "db_file.json"), `[{"domain_name": "web", "domain_uuid": "00000000-0000-0000-0000-000000000001",
		"domain_metadata": null, "mds_mac": "52:54:00:00:00:01", "mds_ipv4": "10.122.0.2", "mds_ipv6": null, "location": null, "last_update": 1}]`)
	d, _ := newDaemonFor(t, dir, "[dnsmasq]\nrun = off\n")
	if guest, ok := d.inventory.Snapshot().ByName("web"); !ok || guest.IPv4.String() != "10.122.0.2" {
		t.Errorf("the guest is %+v", guest)
	}
}

// TestStartKnowsWhatIsWithheld checks that a server withholds the addresses of guests whose
// records were set aside, also if only the last snapshot tells them.
func TestStartKnowsWhatIsWithheld(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mdserver.conf")
	writeFile(t, file, strings.ReplaceAll("[mdserver]\ndb_file = DIR/none.json\nuserdata_dir = DIR\n[dnsmasq]\nrun = off\n", "DIR", dir))
	cfg := loadFile(t, file)
	first, end := openDaemon(t, cfg, io.Discard)
	var lost instance.Instance
	for n, name := range []string{"web", "db"} {
		result, err := first.inventory.Register(t.Context(), guestDomain(byte(n+1), name))
		if err != nil {
			t.Fatal(err)
		}
		lost = result.Instance
	}
	first.upkeep.Snapshot(t.Context(), backup.Daily)
	if _, err := first.inventory.Release(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	end()
	aside, err := json.Marshal(boltstore.Aside{Database: cfg.Server.Database, Findings: []boltstore.Finding{{Reason: "a page is lost"}}})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, cfg.Server.Database+".damaged-20260101T000000.000000Z.json", string(aside))
	second := newDaemon(t, cfg)
	withheld := second.inventory.Withheld()
	if len(withheld) != 1 || withheld[0].UUID != lost.UUID || !slices.Contains(withheld[0].Addrs, lost.IPv4) {
		t.Errorf("withheld are %+v, want %s", withheld, lost.IPv4)
	}
}
