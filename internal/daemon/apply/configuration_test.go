package apply

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/hostsfile"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/networks"
	"mdserver/internal/programtest"
)

// configurations each differ from the default in what dnsmasq is told.
var configurations = []string{
	"[mdserver]\n",
	"[dnsmasq]\nrun = off\n",
	"[dnsmasq]\nrun = external\nnet_address6 = fd00:122::\n",
	"[dnsmasq]\nnet_address6 = fd00:122::\nnet_prefix6 = 56\n",
	"[dnsmasq]\nnet_address6 = fd00:122::\nnet_prefix6 = 126\nuse_dns = yes\n",
	"[dnsmasq]\nnet_prefix = 30\nreserved = 10.122.0.2\n",
	"[dnsmasq]\nbase_dir = /var/lib/a b\nrun_dir = relative\n",
	"[dnsmasq]\nbase_dir = /var/lib/a,b\n",
	"[dnsmasq]\nbase_dir = /var/lib/a#b\nrun = off\n",
	"[dnsmasq]\nrun_dir = /run/a\"b\n",
	"[dnsmasq]\nrun_dir = /run/a\\b\n",
	"[dnsmasq]\ndomain = example.net\nprefix = test-\nentry_order = domain,prefix,base\nlease_len = 1\n",
	"[dnsmasq]\nlisten_address = 10.122.0.1\ninterface = lo\nuser = nobody\n",
	"[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\nnet_address6 = fd00:50::\nnet_prefix6 = 64\n",
	"[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\nnet_address6 = fd00:50::\nnet_prefix6 = 48\n",
	"[network a]\ninterface = a\nnet_address = 10.1.0.0\nlisten_address = fe80::1%a\n[network b]\ninterface = b\nnet_address = 10.2.0.0\n",
}

// FuzzConfiguration starts with any configuration that is accepted, registers
// a guest, reloads into another one and registers another guest.
func FuzzConfiguration(f *testing.F) {
	programtest.Need(f, "dnsmasq", "dnsmasq-base")
	for i, text := range configurations {
		f.Add(text, configurations[(i+1)%len(configurations)])
	}
	f.Fuzz(func(t *testing.T, first, second string) { tryConfigurations(t, first, second) })
}

func tryConfigurations(t *testing.T, first, second string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mdserver-configuration-") // the test's name has a #, which dnsmasq refuses
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg, ok := accepted(t, dir, first)
	if !ok {
		return
	}
	s := serveFor(t, cfg)
	s.register(t, cfg, 1)
	next, ok := accepted(t, dir, second)
	if !ok {
		return
	}
	next = next.KeepFixed(cfg)
	if next.Clash() != nil {
		return
	}
	s.reload(t, next)
	s.register(t, next, 2)
}

// accepted loads a configuration. All that it would write goes below dir, and
// dnsmasq is not started. Networks that libvirt runs are left out.
func accepted(t *testing.T, dir, text string) (*config.Config, bool) {
	t.Helper()
	file := filepath.Join(dir, "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		return nil, false
	}
	d := &cfg.Dnsmasq
	d.BaseDir, d.RunDir, d.Run = below(dir, d.BaseDir), below(dir, d.RunDir), notStarted(d.Run)
	var networks []config.Network
	for _, n := range cfg.Networks {
		n.BaseDir, n.Run = below(dir, n.BaseDir), notStarted(n.Run)
		if n.Backend == config.BackendDnsmasq {
			networks = append(networks, n)
		}
	}
	cfg.Networks = networks
	return cfg, true
}

func notStarted(run string) string {
	if run == string(dnsmasq.Child) {
		return string(dnsmasq.External)
	}
	return run
}

// below keeps the characters of a path, but not the place.
func below(dir, path string) string {
	name := strings.ReplaceAll(path, "/", "_")
	return filepath.Join(dir, "at_"+name[:min(len(name), 100)])
}

// part is the part of a server that makes guests known to DHCP and DNS.
type part struct {
	hosts     *hostsfile.File
	inventory *inventory.Inventory
	networks  *networks.Networks
}

func serveFor(t *testing.T, cfg *config.Config) *part {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	hosts := hostsfile.New("/etc/hosts", log)
	inv, err := inventory.Open(t.Context(), storetest.NewMemory(), rules(cfg, hosts, networks.Configured(cfg)))
	if err != nil {
		t.Fatal(err)
	}
	heard := func(string, instance.MAC, string) {}
	s := &part{hosts, inv, networks.New(cfg, inv, nil, heard, log)}
	t.Cleanup(func() {
		if err := s.networks.Close(); err != nil {
			t.Error(err)
		}
		_ = inv.Close()
	})
	if err := s.networks.Start(t.Context()); err != nil {
		t.Errorf("an accepted configuration does not start: %v", err)
	}
	return s
}

func (s *part) reload(t *testing.T, cfg *config.Config) {
	t.Helper()
	s.inventory.Reconfigure(rules(cfg, s.hosts, networks.Configured(cfg)))
	if _, err := s.inventory.Reattach(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.networks.Reconfigure(t.Context(), cfg); err != nil {
		t.Errorf("an accepted configuration cannot be reloaded: %v", err)
	}
}

// register adds a guest that is on all networks, and looks for it in what
// dnsmasq is told.
func (s *part) register(t *testing.T, cfg *config.Config, number byte) {
	t.Helper()
	dom := instance.Domain{Name: "web", UUID: uuid.UUID{15: number}}
	for i, n := range cfg.Networks {
		dom.Interfaces = append(dom.Interfaces, instance.Interface{MAC: instance.MAC{2, number, byte(i >> 8), byte(i)}, Network: n.Name})
	}
	if len(dom.Interfaces) == 0 {
		return
	}
	reg, err := s.inventory.Register(t.Context(), dom)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.networks.Sync(ctx); err != nil {
		t.Errorf("a guest does not become known: %v", err)
	}
	for i, status := range s.networks.Status() {
		n := cfg.Networks[i]
		if status.Trouble != "" {
			t.Errorf("network %s does not serve: %s", n.Name, status.Trouble)
		}
		if place, ok := reg.Instance.On(n.Name); ok && n.Run != string(dnsmasq.Off) {
			checkFiles(t, n, place)
		}
	}
}

// checkFiles looks for a guest in the files of a network, and has dnsmasq
// itself check its configuration.
func checkFiles(t *testing.T, n config.Network, place instance.Attachment) {
	t.Helper()
	if out, err := exec.Command("dnsmasq", "--test", "--conf-file="+filepath.Join(n.BaseDir, n.Name+".conf")).CombinedOutput(); err != nil {
		t.Errorf("dnsmasq refuses the configuration of network %s: %v\n%s", n.Name, err, out)
	}
	if place.IPv4.IsValid() && !mentions(t, n.BaseDir, place.MAC.String()) {
		t.Errorf("network %s: no file tells dnsmasq of %v", n.Name, place)
	}
}

func mentions(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || strings.Contains(string(data), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
