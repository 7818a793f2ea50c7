package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/roottest"
)

const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhlbGxvaGVsbG9oZWxsb2hlbGxvaGVsbG9oZWxsb2hl 100% me@example.net"

// startable is a host with a running system: libvirt, systemd and firewalld
// answer as they are told.
type startable struct {
	*host
	answers map[string]string // what succeeds, by command line, and its output
	fails   string            // the command that fails
}

func newStartable(t *testing.T) *startable {
	s := &startable{host: newHost(t), answers: map[string]string{
		"virsh --connect qemu:///system net-list --name --all":             "default\n\n",
		"virsh --connect qemu:///system net-list --name --all --autostart": "\n",
		"virsh --connect qemu:///system net-list --name":                   "\n",
		"virsh --connect qemu:///system net-port-list --uuid default":      "\n",
		"virsh --connect qemu:///system net-port-list --uuid mds":          "\n",
		"systemctl is-active libvirtd.service":                             "active\n",
	}}
	// The users are who runs the test: to others only root can give files.
	passwd, group := "root:x:0:0::/root:/bin/sh\n", "root:x:0:\nlibvirt:x:110:\n"
	for _, user := range []string{"mdserver", "mdserver-dnsmasq"} {
		passwd += fmt.Sprintf("%s:x:%d:%d::/:/bin/false\n", user, os.Getuid(), os.Getgid())
		group += fmt.Sprintf("%s:x:%d:\n", user, os.Getgid())
	}
	s.write("/etc/passwd", passwd)
	s.write("/etc/group", group)
	return s
}

// load reads the configuration below the root.
func (s *startable) load(name string) (*config.Config, []config.Warning, error) {
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		return nil, nil, err
	}
	moved := s.path(name) + ".moved"
	text = []byte(strings.ReplaceAll(string(text), "/etc/mdserver/mdserver.conf.d", s.path("/etc/mdserver/mdserver.conf.d")))
	if err := os.WriteFile(moved, text, 0o600); err != nil {
		return nil, nil, err
	}
	defer os.Remove(moved)
	return config.Load(moved)
}

func (s *startable) job() *job {
	s.t.Helper()
	j := s.host.job(os.Geteuid())
	j.UID = 0 // as who installs on a running system
	j.Root, j.Systemd, j.Load = "", true, s.load
	j.Query = func(_ context.Context, name string, args ...string) (string, error) {
		out, ok := s.answers[strings.Join(append([]string{name}, args...), " ")]
		if !ok {
			return "", errors.New("no")
		}
		return out, nil
	}
	run := j.Run
	j.Run = func(ctx context.Context, name string, args ...string) error {
		if line := strings.Join(append([]string{name}, args...), " "); line == s.fails {
			return errors.New("failed")
		}
		return run(ctx, name, args...)
	}
	return j
}

// start installs and starts, and returns the commands that were run.
func (s *startable) start(start Start) (*Report, []string) {
	s.t.Helper()
	s.ran = nil
	j := s.job()
	j.Start = &start
	plan, err := makePlan(j.Options)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := j.install(context.Background(), plan); err != nil {
		s.t.Fatal(err)
	}
	return j.report, s.ran
}

func (s *startable) stop(purge bool) (*Report, []string) {
	s.t.Helper()
	s.ran = nil
	j := s.job()
	j.Purge = purge
	if err := j.uninstall(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	return j.report, s.ran
}

func wantCommands(t *testing.T, ran []string, want ...string) {
	t.Helper()
	ran = slices.DeleteFunc(slices.Clone(ran), func(line string) bool {
		return line == "systemctl daemon-reload" || strings.HasPrefix(line, "systemd-tmpfiles") || strings.HasPrefix(line, "mandb")
	})
	if !slices.Equal(ran, want) {
		t.Errorf("ran\n\t%s\nwant\n\t%s", strings.Join(ran, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestStart(t *testing.T) {
	for _, test := range []struct {
		name    string
		network string
		set     map[string]string // what the system answers
		ran     []string
		undone  []string
	}{
		{
			"libvirt's network", "default", nil,
			[]string{
				"virsh --connect qemu:///system net-autostart default",
				"virsh --connect qemu:///system net-start default",
				"usermod --append --groups libvirt mdserver",
				"systemctl enable mdserver.service",
				"systemctl reload-or-restart libvirtd.service",
				"systemctl restart mdserver.service",
			},
			[]string{
				"gpasswd --delete mdserver libvirt",
				"virsh --connect qemu:///system net-destroy default",
				"virsh --connect qemu:///system net-autostart --disable default",
			},
		},
		{
			"a network that runs, behind firewalld", "default", map[string]string{
				"virsh --connect qemu:///system net-list --name --all --autostart": "default\n",
				"virsh --connect qemu:///system net-list --name":                   "default\n",
				"firewall-cmd --state": "running\n",
			},
			[]string{
				"usermod --append --groups libvirt mdserver",
				"firewall-cmd --permanent --zone=libvirt --add-service=http",
				"firewall-cmd --reload",
				"systemctl enable mdserver.service",
				"systemctl reload-or-restart libvirtd.service",
				"systemctl restart mdserver.service",
			},
			[]string{
				"firewall-cmd --permanent --zone=libvirt --remove-service=http",
				"firewall-cmd --reload",
				"gpasswd --delete mdserver libvirt",
			},
		},
		{
			"mdserver's own network, without the group", "mds", map[string]string{
				"firewall-cmd --state": "running\n",
				"firewall-cmd --permanent --zone=libvirt --query-service=http": "yes\n",
			},
			[]string{
				"virsh --connect qemu:///system net-define /usr/local/share/mdserver/mds-network.xml",
				"virsh --connect qemu:///system net-autostart mds",
				"virsh --connect qemu:///system net-start mds",
				"systemctl enable mdserver.service",
				"systemctl reload-or-restart libvirtd.service",
				"systemctl restart mdserver.service",
			},
			[]string{
				"virsh --connect qemu:///system net-destroy mds",
				"virsh --connect qemu:///system net-autostart --disable mds",
				"virsh --connect qemu:///system net-undefine mds",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStartable(t)
			maps.Copy(s.answers, test.set)
			_, ran := s.start(Start{Network: test.network})
			wantCommands(t, ran, test.ran...)

			_, ran = s.stop(false)
			stopped := []string{"systemctl disable --now mdserver-dnsmasq.service", "systemctl disable --now mdserver.service"}
			wantCommands(t, ran, append(stopped, test.undone...)...)
		})
	}
}

// Without a name, what is configured is started, and nothing is added to it.
func TestStartConfigured(t *testing.T) {
	const (
		mds   = "[dnsmasq]\nnet_name = mds\n"
		other = "[dnsmasq]\nnet_name = lab\ninterface = br-lab\nnet_address = 10.9.0.0\ngateway = 10.9.0.1\n"
		lan   = "[network lan]\nbackend = libvirt\n"
	)
	for _, test := range []struct {
		name, conf string
		want       []string // networks that are configured then
		starts     []string // virsh's commands
		group      bool
	}{
		{"a fresh host", "", []string{"default"}, []string{"net-autostart default", "net-start default"}, true},
		{"no network set", "[mdserver]\nport = 80\n[_include_]\ndirectories = /etc/mdserver/mdserver.conf.d\n", []string{"default"},
			[]string{"net-autostart default", "net-start default"}, true},
		{"a configuration of the original", "[mdserver]\n[dnsmasq]\n", []string{"mds"},
			[]string{"net-define /usr/local/share/mdserver/mds-network.xml", "net-autostart mds", "net-start mds"}, false},
		{"an upgraded host", mds, []string{"mds"},
			[]string{"net-define /usr/local/share/mdserver/mds-network.xml", "net-autostart mds", "net-start mds"}, false},
		{"a bridge of the administrator's", other, []string{"lab"}, nil, false},
		{"several networks", mds + lan, []string{"mds", "lan"},
			[]string{"net-define /usr/local/share/mdserver/mds-network.xml", "net-autostart mds", "net-start mds", "net-autostart lan", "net-start lan"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStartable(t)
			s.answers["virsh --connect qemu:///system net-list --name --all"] = "default\nlan\n"
			if test.conf != "" {
				s.write("/etc/mdserver/mdserver.conf", test.conf)
			}
			report, ran := s.start(Start{})
			var starts []string
			for _, line := range ran {
				if command, ok := strings.CutPrefix(line, "virsh --connect qemu:///system "); ok {
					starts = append(starts, command)
				}
			}
			if !slices.Equal(starts, test.starts) {
				t.Errorf("virsh ran %q, want %q", starts, test.starts)
			}
			if got := slices.Contains(ran, "usermod --append --groups libvirt mdserver"); got != test.group {
				t.Errorf("joined the group libvirt: %v", got)
			}
			for _, c := range report.Changes {
				if c.Action == Failed {
					t.Errorf("failed: %+v", c)
				}
			}
			cfg, _, err := s.load("/etc/mdserver/mdserver.conf")
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, n := range cfg.Networks {
				names = append(names, n.Name)
			}
			if !slices.Equal(names, test.want) {
				t.Errorf("configured are %q, want %q", names, test.want)
			}
			if next := report.Next; !strings.Contains(next[len(next)-1].Commands[0], "network="+test.want[0]) {
				t.Errorf("next: %v", next)
			}
		})
	}
}

// The advice names the daemon that runs the host's hooks.
func TestGuestDaemon(t *testing.T) {
	for _, test := range []struct {
		name  string
		files []string
		want  string
	}{
		{"neither", nil, "libvirtd.service"},
		{"monolithic", []string{"/usr/sbin/libvirtd"}, "libvirtd.service"},
		{"modular", []string{"/usr/sbin/virtqemud"}, "virtqemud.service"},
		{"both, libvirtd enabled", []string{"/usr/sbin/libvirtd", "/usr/sbin/virtqemud", "/etc/systemd/system/multi-user.target.wants/libvirtd.service"}, "libvirtd.service"},
		{"both, virtqemud's socket enabled", []string{"/usr/sbin/libvirtd", "/usr/sbin/virtqemud", "/etc/systemd/system/sockets.target.wants/virtqemud.socket"}, "virtqemud.service"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			for _, file := range test.files {
				h.write(file, "")
			}
			j := h.job(os.Geteuid())
			if got := j.guestDaemon(); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			j.nextSteps(context.Background())
			if next := j.report.Next; next[len(next)-1].Commands[0] != "systemctl reload "+test.want {
				t.Errorf("next: %v", next)
			}
		})
	}
}

// libvirt is reloaded only if it has not looked for hooks since there was one.
func TestStartReloadsLibvirt(t *testing.T) {
	const reload, ask = "systemctl reload-or-restart libvirtd.service", "systemctl show --property StateChangeTimestamp --value libvirtd.service"
	when := func(d time.Duration) string { return time.Now().Add(d).Format("Mon 2006-01-02 15:04:05 MST") + "\n" }
	for _, test := range []struct {
		name    string
		changed string
		before  func(s *startable) // what happened since the first start
		want    bool
	}{
		{"it started after the hook", when(time.Hour), func(*startable) {}, false},
		{"it started before the hook", when(-time.Hour), func(*startable) {}, true},
		{"systemd does not know when", "\n", func(*startable) {}, true},
		{"no hook could be executed", when(time.Hour), func(s *startable) {
			if err := os.Chmod(s.path(hookPath), 0o644); err != nil {
				s.t.Fatal(err)
			}
		}, true},
		{"the hook was removed", when(time.Hour), func(s *startable) {
			if err := os.Remove(s.path(hookPath)); err != nil {
				s.t.Fatal(err)
			}
		}, true},
		{"a hook of the administrator's is older", when(time.Hour), func(s *startable) { s.write(hooksDir+"/qemu", "#!/bin/sh\n") }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStartable(t)
			s.answers[ask] = when(time.Hour)
			if _, ran := s.start(Start{Network: "default"}); !slices.Contains(ran, reload) {
				t.Errorf("the first start does not reload libvirt: %q", ran)
			}
			s.answers[ask] = test.changed
			test.before(s)
			if report, ran := s.start(Start{Network: "default"}); slices.Contains(ran, reload) != test.want {
				t.Errorf("reloaded: %v, want %v; %+v", !test.want, test.want, report.Changes)
			}
		})
	}
}

// An installation without a start says how to open firewalld.
func TestFirewalldIsNextStep(t *testing.T) {
	const state, query = "firewall-cmd --state", "firewall-cmd --permanent --zone=libvirt --query-"
	for _, test := range []struct {
		name, conf string
		answers    []string
		want       string // the command
	}{
		{"no firewalld", "", nil, ""},
		{"closed", "", []string{state}, "firewall-cmd --permanent --zone=libvirt --add-service=http"},
		{"open", "", []string{state, query + "service=http"}, ""},
		{"another port", "[mdserver]\nport = 8080\n", []string{state, query + "service=http"}, "firewall-cmd --permanent --zone=libvirt --add-port=8080/tcp"},
		{"a broken configuration", "port = 8080\n", []string{state}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStartable(t)
			s.write("/etc/mdserver/mdserver.conf", test.conf)
			for _, answer := range test.answers {
				s.answers[answer] = ""
			}
			j := s.job()
			j.nextSteps(context.Background())
			var got string
			for _, next := range j.report.Next {
				if strings.Contains(next.What, "firewalld") {
					got = next.Commands[0]
				}
			}
			if got != test.want {
				t.Errorf("advises %q, want %q", got, test.want)
			}
		})
	}
}

func TestStartConfigures(t *testing.T) {
	for _, test := range []struct {
		name, conf, dropIn string
		network            string
		keys               []string // of the configuration then, by name
	}{
		{"a fresh host", "", "", "default", []string{"default"}},
		{"a key of the administrator's", "[public-keys]\ndefault = ssh-rsa AAAA mine\n[_include_]\ndirectories = /etc/mdserver/mdserver.conf.d\n",
			"", "default", []string{"default", "key2"}},
		{"mdserver's own network", "", "", "mds", []string{"default"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStartable(t)
			if test.conf != "" {
				s.write("/etc/mdserver/mdserver.conf", test.conf)
			}
			for range 2 { // the second time changes nothing
				report, _ := s.start(Start{Network: test.network, Keys: []string{testKey}})
				if len(report.Findings) > 0 {
					t.Errorf("findings %v", report.Findings)
				}
			}
			if n := strings.Count(s.read(dropIn), "[public-keys]"); n != 1 {
				t.Errorf("%d sections of keys:\n%s", n, s.read(dropIn))
			}
			cfg, _, err := s.load("/etc/mdserver/mdserver.conf")
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, k := range cfg.PublicKeys {
				names = append(names, k.Name)
			}
			if !slices.Equal(names, test.keys) || cfg.PublicKeys[len(names)-1].Key != testKey {
				t.Errorf("keys %v, want the new one as the last of %v", cfg.PublicKeys, test.keys)
			}
			if len(cfg.Networks) != 1 || cfg.Networks[0].Name != test.network {
				t.Errorf("networks %v", cfg.Networks)
			}
			s.start(Start{Network: test.network, Keys: []string{testKey + "2"}}) // a further key is added
			if cfg, _, err := s.load("/etc/mdserver/mdserver.conf"); err != nil || len(cfg.PublicKeys) != len(test.keys)+1 {
				t.Errorf("with a further key: %v", err)
			}
			s.stop(false)
			if _, err := os.Stat(s.path(dropIn)); err == nil {
				t.Error("uninstall leaves the file")
			}
		})
	}
}

// What the administrator changed stays, and the lines that are missing are
// reported.
func TestStartKeepsConfiguration(t *testing.T) {
	s := newStartable(t)
	s.start(Start{Network: "default"})
	s.write(dropIn, "[network default]\nbackend = libvirt\n[public-keys]\nmine = ssh-rsa AAAA mine\n")
	before := s.read(dropIn)
	report, _ := s.start(Start{Network: "default", Keys: []string{testKey}})
	wantAction(t, report, dropIn, Kept)
	if len(report.Findings) != 1 || !slices.Contains(report.Findings[0].Commands, "default = "+strings.ReplaceAll(testKey, "%", "%%")) {
		t.Errorf("findings %v", report.Findings)
	}
	s.stop(false)
	if s.read(dropIn) != before {
		t.Error("the file was touched")
	}

	s = newStartable(t)
	s.write("/etc/mdserver/mdserver.conf", "[mdserver]\n") // as the original's, which includes nothing
	report, _ = s.start(Start{Network: "default"})
	if !slices.ContainsFunc(report.Findings, func(f Finding) bool { return strings.Contains(f.What, "does not include") }) {
		t.Errorf("findings %v", report.Findings)
	}
}

func TestStartReportsFailedSteps(t *testing.T) {
	s := newStartable(t)
	report, _ := s.start(Start{Network: "lan"})
	wantAction(t, report, "network lan", Failed)

	s = newStartable(t)
	s.fails = "virsh --connect qemu:///system net-start default"
	report, _ = s.start(Start{Network: "default"})
	wantAction(t, report, s.fails, Failed)
	if _, ran := s.stop(false); slices.Contains(ran, "virsh --connect qemu:///system net-destroy default") {
		t.Error("uninstall undoes what failed")
	}

	s = newStartable(t)
	s.write("/etc/mdserver/mdserver.conf", "[mdserver]\nport = many\n")
	j := s.job()
	j.Start = &Start{Network: "default"}
	if err := j.start(context.Background()); err == nil || !strings.Contains(err.Error(), "port") {
		t.Errorf("error %v", err)
	}
}

func TestUninstallLeavesNetworkInUse(t *testing.T) {
	s := newStartable(t)
	s.start(Start{Network: "default"})
	s.answers["virsh --connect qemu:///system net-port-list --uuid default"] = "0a1b\n"
	report, ran := s.stop(false)
	wantAction(t, report, "network default", Kept)
	if slices.Contains(ran, "virsh --connect qemu:///system net-destroy default") {
		t.Error("a network in use was stopped")
	}
}

// A purge that fails notes what it has undone, and the next one does not undo it again.
func TestPurgeUndoesOnce(t *testing.T) {
	roottest.ObeyModes(t)
	const ports, stop = "virsh --connect qemu:///system net-port-list --uuid default", "virsh --connect qemu:///system net-destroy default"
	s := newStartable(t)
	s.start(Start{Network: "default"})
	s.answers[ports] = "0a1b\n"
	s.stop(false)
	s.answers[ports] = "\n"
	s.write(stateDir+"/mdserver.db", "data")
	open := s.lock(stateDir)
	s.ran = nil
	j := s.job()
	j.Purge = true
	if err := j.uninstall(context.Background()); !errors.Is(err, fs.ErrPermission) || !slices.Contains(s.ran, stop) {
		t.Errorf("purged: %v, ran %q", err, s.ran)
	}
	open()
	if _, ran := s.stop(true); slices.Contains(ran, stop) {
		t.Errorf("the second purge ran %q", ran)
	}
}

func TestStartDryRun(t *testing.T) {
	s := newStartable(t)
	s.opts.DryRun = true
	before := s.files()
	report, ran := s.start(Start{Network: "default", Keys: []string{testKey}})
	if len(ran) > 0 || !maps.Equal(before, s.files()) {
		t.Errorf("ran %q", ran)
	}
	if len(report.Findings) > 0 { // the configuration is as it was
		t.Errorf("found are %q", report.Findings)
	}
	seen := map[string]bool{}
	for _, c := range report.Changes {
		if seen[c.Name] {
			t.Errorf("%s is printed twice", c.Name)
		}
		seen[c.Name] = true
	}
	for _, name := range []string{dropIn, "virsh --connect qemu:///system net-start default", "systemctl restart mdserver.service"} {
		if !seen[name] {
			t.Errorf("nothing is said of %s", name)
		}
	}
}

func TestStartOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]Options{
		"cannot start with --root":       {Root: "/srv/root", Systemd: true, Start: &Start{Network: "default"}},
		"this host does not run systemd": {Start: &Start{Network: "default"}},
		`network "a]\nb"`:                {Systemd: true, Start: &Start{Network: "a]\nb"}},
		`network "--all"`:                {Systemd: true, Start: &Start{Network: "--all"}},
		"one line of a public":           {Systemd: true, Start: &Start{Network: "default", Keys: []string{"ssh-rsa AAAA\n[mdserver]"}}},
		"SSH key: must be one ":          {Systemd: true, Start: &Start{Network: "default", Keys: []string{"AAAA"}}},
	} {
		if err := o.checkStart(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// Accounts of this host are nothing to an uninstallation from another
// directory tree.
func TestPurgeOfTreeKeepsAccounts(t *testing.T) {
	h := newHost(t)
	h.install()
	j := h.job(0)
	j.Purge, j.Systemd = true, true
	j.manifest.CreatedUser, j.manifest.CreatedDnsmasqUser = "mdserver", dnsmasqUser
	j.manifest.Undo = [][]string{{"gpasswd", "--delete", "mdserver", "libvirt"}}
	if err := j.uninstall(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(h.ran) > 0 {
		t.Errorf("ran %q", h.ran)
	}
}

func TestPurgeRemovesAccounts(t *testing.T) {
	s := newStartable(t)
	s.start(Start{Network: "default"})
	j := s.job()
	j.Purge, j.manifest.CreatedUser = true, "mdserver"
	s.ran = nil
	if err := j.uninstall(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.ran, "userdel mdserver") {
		t.Errorf("ran %q", s.ran)
	}
}

// A unit that the administrator changed is theirs, and goes on running.
func TestUninstallLeavesChangedUnitRunning(t *testing.T) {
	s := newStartable(t)
	s.start(Start{Network: "default"})
	s.write(unitPath, "[Service]\nExecStart=/opt/mine\n")
	_, ran := s.stop(false)
	if slices.Contains(ran, "systemctl disable --now mdserver.service") {
		t.Errorf("ran %q", ran)
	}
	if !slices.Contains(ran, "systemctl disable --now mdserver-dnsmasq.service") {
		t.Errorf("the unchanged unit was left: %q", ran)
	}
}

// An upgrade asks for no keys that the configuration has.
func TestNextAsksForMissingKeys(t *testing.T) {
	for conf, want := range map[string]bool{"[mdserver]\n": true, "[public-keys]\ndefault = ssh-rsa AAAA mine\n": false} {
		s := newStartable(t)
		s.write("/etc/mdserver/mdserver.conf", conf)
		j := s.job()
		j.nextSteps(context.Background())
		asks := slices.ContainsFunc(j.report.Next, func(f Finding) bool { return strings.Contains(f.What, "SSH keys") })
		if asks != want {
			t.Errorf("%q: asks for keys: %v", conf, asks)
		}
	}
}

// A later upgrade starts nothing, and keeps what start configured.
func TestInstallKeepsWhatStartConfigured(t *testing.T) {
	s := newStartable(t)
	s.start(Start{Network: "default"})
	before := s.read(dropIn)
	j := s.job()
	plan, err := makePlan(j.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.install(context.Background(), plan); err != nil {
		t.Fatal(err)
	}
	if s.read(dropIn) != before || len(j.manifest.Undo) == 0 {
		t.Errorf("the configuration is %q, and uninstall undoes %q", s.read(dropIn), j.manifest.Undo)
	}
}
