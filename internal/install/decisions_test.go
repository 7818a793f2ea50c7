package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/fdtest"
	"mdserver/internal/roottest"
)

// Who may install where, before anything is touched.
func TestPrepare(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		want    string // of the error
	}{
		"root":                              {Options{UID: 0}, ""},
		"a user below another root":         {Options{Root: "/srv/tree", UID: 1000}, ""},
		"a user's dry run":                  {Options{UID: 1000, DryRun: true}, ""},
		"a user":                            {Options{UID: 1000}, ErrNotRoot.Error()},
		"a start below another root":        {Options{Root: "/srv/tree", Start: &Start{}}, "start: cannot start with --root"},
		"a start of what is configured":     {Options{Systemd: true, Start: &Start{}}, ""},
		"a start of a network with no name": {Options{Systemd: true, Start: &Start{Network: "-"}}, `network "-": `},
	} {
		err := test.options.prepare()
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	o := Options{Root: "/srv/tree", Prefix: "/opt//mds/"}
	if err := o.prepare(); err != nil || o.Prefix != "/opt/mds" {
		t.Errorf("the prefix is %q, %v", o.Prefix, err)
	}
}

// Neither an installation nor its removal leaves anything open.
func TestNothingStaysOpen(t *testing.T) {
	h := newHost(t)
	h.write(leftRecord, "{")
	fdtest.NoneLeft(t, func() {
		if _, err := Install(context.Background(), h.opts); err == nil {
			t.Fatal("installed over a broken record")
		}
	})
	h.remove(leftRecord)
	fdtest.NoneLeft(t, func() {
		h.install()
		h.uninstall()
	})
}

// A system that systemd does not run is told nothing.
func TestWithoutSystemd(t *testing.T) {
	s := newStartable(t)
	j := s.job()
	j.Systemd = false
	j.afterInstall(t.Context())
	if err := j.noteOriginal(t.Context()); err != nil || len(s.ran) > 0 {
		t.Errorf("ran %q, %v", s.ran, err)
	}
}

// Errors of each step end an installation that systemd is told of, too.
func TestStepsThatFail(t *testing.T) {
	roottest.ObeyModes(t)
	for name, test := range map[string]struct {
		before func(s *startable)
		locked string
	}{
		"noting the former units": {func(s *startable) { s.write(unitPath, originalUnit); s.write(shareDir("/usr/local")+"/userdata/x", "") }, shareDir("/usr/local")},
		"moving the hook aside": {func(s *startable) {
			s.write(originalHookPath, shippedHook(t, "10.0.0.1"))
			s.write(hooksDir+"/qemu.d/x", "")
		}, hooksDir},
		"moving a unit aside": {func(s *startable) { s.installed(); s.write(unitDir+"/"+pathUnit, originalPathFile) }, unitDir},
		"removing old files": {func(s *startable) {
			s.installed()
			s.write("/opt/old/file", "")
			s.pretendShipped("/opt/old/file", "old")
		}, "/opt/old"},
		"writing the list":    {func(s *startable) { s.installed(); s.newProgram("version 2") }, shareDir("/usr/local")},
		"removing the record": {func(s *startable) { s.installed(); s.stop(false) }, etcDir},
		"writing the network": {func(s *startable) { s.installed() }, etcDir + "/mdserver.conf.d"},
	} {
		s := newStartable(t)
		test.before(s)
		open := s.lock(test.locked)
		j := s.job()
		j.Start = &Start{Network: "default"}
		plan, err := makePlan(j.Options)
		if err != nil {
			t.Fatal(err)
		}
		err = j.install(t.Context(), plan)
		if open(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
		if _, ran := s.start(Start{Network: "default"}); !slices.Contains(ran, "systemctl restart mdserver.service") {
			t.Errorf("%s: the second time ran %q", name, ran)
		}
	}
}

// An error of what is left to note is one of both steps.
func TestProgressThatCannotBeNoted(t *testing.T) {
	roottest.ObeyModes(t)
	failed := errors.New("no room")
	s := newStartable(t)
	s.write("/etc/passwd", rootOnly)
	s.write("/etc/group", "root:x:0:\n")
	for _, dir := range []string{"/usr", shareDir("/usr/local")} {
		open := s.lock(dir)
		j := s.job()
		j.Run = func(_ context.Context, _ string, args ...string) error {
			if args[len(args)-1] == dnsmasqUser {
				return failed
			}
			return nil
		}
		plan, err := makePlan(j.Options)
		if err != nil {
			t.Fatal(err)
		}
		err = j.install(t.Context(), plan)
		if open(); !errors.Is(err, failed) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// What Uninstall cannot note keeps the list of what was installed, and the next one
// ends it.
func TestRecordThatCannotBeWritten(t *testing.T) {
	roottest.ObeyModes(t)
	h := newHost(t)
	h.install()
	open := h.lock(etcDir)
	if _, err := Uninstall(context.Background(), h.opts); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("uninstalled: %v", err)
	}
	open()
	if _, err := os.Stat(h.path(manifestPath("/usr/local"))); err != nil {
		t.Errorf("the list is gone: %v", err)
	}
	h.uninstall()
	h.read(leftRecord)
	for _, dir := range []string{etcDir, userdataDir, stateDir, stateDir + "/" + sharedDir} { // even if they are empty
		if _, err := os.Stat(h.path(dir)); err != nil {
			t.Errorf("without a purge: %v", err)
		}
	}
}

// A file that was there and is the same belongs to the installation.
func TestSameFileIsTakenOver(t *testing.T) {
	h := newHost(t)
	h.install()
	hook := h.read(hookPath)
	h = newHost(t)
	h.write(hookPath, hook)
	wantAction(t, h.install(), hookPath, Unchanged)
	wantAction(t, h.uninstall(), hookPath, Removed)
}

// An example of the administrator's that is deleted stays away.
func TestOwnExampleStaysAway(t *testing.T) {
	h := newHost(t)
	h.write(userdataDir+"/base.yaml", "mine\n")
	wantAction(t, h.install(), userdataDir+"/base.yaml", Kept)
	h.remove(userdataDir + "/base.yaml")
	wantAction(t, h.install(), userdataDir+"/base.yaml", Skipped)
}

// What is not shipped any more is spoken of once.
func TestObsoleteFileIsForgotten(t *testing.T) {
	h := newHost(t)
	h.install()
	const name = "/etc/tmpfiles.d/mdserver-mine.conf"
	h.pretendShipped(name, "old\n")
	h.write(name, "changed\n")
	wantAction(t, h.install(), name, Kept)
	wantAction(t, h.install(), name, "")
}

// After a new installation, entries are withdrawn from all networks again.
func TestWithdrawnIsForgotten(t *testing.T) {
	s := newStartable(t)
	s.start(Start{Network: "default"})
	j := s.job()
	j.manifest.Withdrawn = []string{"default"}
	if err := j.manifest.save(j.tree); err != nil {
		t.Fatal(err)
	}
	s.start(Start{Network: "default"})
	if got := s.job().manifest.Withdrawn; len(got) > 0 {
		t.Errorf("withdrawn are still %q", got)
	}
}

// A unit is enabled or active only if systemctl says so in that word, and succeeds.
func TestUnitIs(t *testing.T) {
	j := newStartable(t).job()
	for _, test := range []struct {
		out  string
		err  error
		want bool
	}{{"enabled\n", nil, true}, {"enabled-runtime\n", nil, false}, {"enabled\n", errors.New("exit status 1"), false}, {"", nil, false}} {
		j.Query = func(context.Context, string, ...string) (string, error) { return test.out, test.err }
		if got := j.unitIs(t.Context(), serverUnit, "enabled"); got != test.want {
			t.Errorf("%q, %v: %v", test.out, test.err, got)
		}
	}
}

// The Python mdserver's units are noted before anything else happens, and a hook before
// it is moved: the machine may be switched off at any time.
func TestNotedFirst(t *testing.T) {
	s := &startable{host: originalHost(t), answers: map[string]string{"systemctl is-enabled mdserver.service": "enabled\n"}}
	s.write(shareDir("/usr/local")+"/x", "")
	if err := s.job().noteOriginal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if j := s.job(); !j.former(serverUnit).Enabled || j.former("other.service") != (formerUnit{}) {
		t.Errorf("noted are %+v", j.manifest.Units)
	}
	s.answers = map[string]string{"systemctl is-active mdserver.service": "active\n"}
	if err := s.job().noteOriginal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.job().former(serverUnit), (formerUnit{Name: serverUnit, Active: true}); got != want {
		t.Errorf("noted again is %+v, want %+v", got, want)
	}
	h := newHost(t)
	h.write(shareDir("/usr/local")+"/x", "")
	if err := h.job(os.Geteuid()).moveFile("/etc/none"); err == nil {
		t.Error("moved a file that is not there")
	}
	if aside := h.job(os.Geteuid()).manifest.Aside; !slices.Equal(aside, []string{"/etc/none"}) {
		t.Errorf("aside are %q", aside)
	}
}

// A link is the administrator's, wherever it leads.
func TestLinkedOriginalStays(t *testing.T) {
	h := newHost(t)
	h.write("/srv/hook", shippedHook(t, "169.254.169.254"))
	h.symlink("../../../srv/hook", originalHookPath)
	h.install()
	if info, err := os.Lstat(h.path(originalHookPath)); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("%v, %v", info, err)
	}
}

// The Python mdserver has started again if its server has; otherwise it is said how.
func TestReviveStarts(t *testing.T) {
	for name, test := range map[string]struct {
		active, fails string
		said          bool
	}{
		"its server":           {serverUnit, "", false},
		"its dnsmasq alone":    {dnsmasqUnit, "", true},
		"a server that cannot": {serverUnit, "systemctl start mdserver.service", true},
	} {
		s := &startable{host: originalHost(t), answers: map[string]string{"systemctl is-active " + test.active: "active\n"}, fails: test.fails}
		s.upgrade()
		s.write("/etc/libvirt/qemu/networks/mds.xml", "<network/>")
		report, _ := s.stop(false)
		if slices.ContainsFunc(report.Next, func(f Finding) bool { return strings.HasPrefix(f.What, "remove the guests' network") }) {
			t.Errorf("%s: the network is to be removed, which the Python mdserver serves: %+v", name, report.Next)
		}
		said := slices.ContainsFunc(report.Next, func(f Finding) bool { return slices.Equal(f.Commands, []string{"systemctl start mdserver.service"}) })
		if said != test.said {
			t.Errorf("%s: next is %+v", name, report.Next)
		}
	}
}

// Lines go into the section that there is, and else into a new one.
func TestExtend(t *testing.T) {
	parts := []part{{"public-keys", []string{"key2 = b", "key3 = c"}}, {"network lan", []string{"backend = libvirt"}}}
	for text, want := range map[string]string{
		"# head\n": "# head\n\n[public-keys]\nkey2 = b\nkey3 = c\n\n[network lan]\nbackend = libvirt\n",
		"# head\n\n[public-keys]\ndefault = a\n\n[dnsmasq]\nx = y\n": "# head\n\n[public-keys]\nkey2 = b\nkey3 = c\ndefault = a\n\n[dnsmasq]\nx = y\n\n[network lan]\nbackend = libvirt\n",
	} {
		if got := extend(text, parts); got != want {
			t.Errorf("%q becomes\n%s\nwant\n%s", text, got, want)
		}
	}
}

// A key that is asked for twice is configured once.
func TestKeysAreConfiguredOnce(t *testing.T) {
	j := newStartable(t).job()
	j.Start = &Start{Keys: []string{testKey, testKey, testKey + "2"}}
	parts := j.lacksKeys(config.Default())
	if len(parts) != 1 || len(parts[0].lines) != 2 || !strings.HasPrefix(parts[0].lines[0], "default = ") || !strings.HasPrefix(parts[0].lines[1], "key2 = ") {
		t.Errorf("%q", parts)
	}
}

// A network that is configured otherwise is reported before it is started, one that is
// asked for and unknown is libvirt's unless it is mdserver's own.
func TestNetworkThatWasAskedFor(t *testing.T) {
	s := newStartable(t)
	s.write("/etc/mdserver/mdserver.conf", "[dnsmasq]\nnet_name = lab\n")
	j := s.job()
	j.Start = &Start{Network: "lab"}
	if err := j.configure(); err != nil || action(j.report, "network lab") != Kept {
		t.Errorf("%v, %+v", err, j.report.Changes)
	}
	cfg := config.Default()
	cfg.Networks = []config.Network{{Name: "lab", Backend: config.BackendLibvirt}}
	for asked, want := range map[string]served{"mds": {name: "mds"}, "lan": {name: "lan", libvirt: true}, "lab": {name: "lab", libvirt: true}} {
		if got := chooseNetworks(asked, cfg); !slices.Equal(got, []served{want}) {
			t.Errorf("%s: %+v, want %+v", asked, got, want)
		}
	}
	j = newStartable(t).job()
	j.Start = &Start{Network: "lab"}
	if j.compareBackend(cfg); len(j.report.Changes) > 0 {
		t.Errorf("%+v", j.report.Changes)
	}
}

// The advice to go on leaves out what is there.
func TestNextSteps(t *testing.T) {
	const network, user = "create the guests' network", "set user = "
	for name, test := range map[string]struct {
		set       func(s *startable)
		user      string
		unwritten []string // beginnings of what is not advised
		written   []string
	}{
		"a network that libvirt has":         {func(s *startable) { s.write("/etc/libvirt/qemu/networks/mds.xml", "<network/>") }, "", []string{network, user}, nil},
		"none":                               {func(*startable) {}, "", []string{user}, []string{network}},
		"another user, and one for dnsmasq":  {func(*startable) {}, "metadata", []string{user}, nil},
		"another user, and none for dnsmasq": {func(s *startable) { s.write("/etc/passwd", rootOnly) }, "metadata", nil, []string{user}},
		"no user for dnsmasq":                {func(s *startable) { s.write("/etc/passwd", rootOnly) }, "", []string{user}, nil},
	} {
		s := newStartable(t)
		test.set(s)
		s.opts.User = test.user
		j := s.job()
		j.account, j.dnsmasq = j.accountOf(j.User), j.accountOf(dnsmasqUser)
		j.nextSteps(t.Context())
		has := func(begin string) bool {
			return slices.ContainsFunc(j.report.Next, func(f Finding) bool { return strings.HasPrefix(f.What, begin) })
		}
		for _, begin := range test.unwritten {
			if has(begin) {
				t.Errorf("%s: advises %+v", name, j.report.Next)
			}
		}
		for _, begin := range test.written {
			if !has(begin) {
				t.Errorf("%s: advises %+v, without %q", name, j.report.Next, begin)
			}
		}
	}
}

// Of another tree, and without a way to read it, nothing is said of the configuration.
func TestConfigurationThatIsNotRead(t *testing.T) {
	s := newStartable(t)
	s.write("/etc/mdserver/mdserver.conf", "[public-keys]\ndefault = ssh-rsa AAAA mine\n")
	s.answers["firewall-cmd --state"] = "running\n"
	for name, set := range map[string]func(j *job){
		"another root": func(j *job) { j.Root = s.opts.Root }, "no reader": func(j *job) { j.Load = nil },
	} {
		j := s.job()
		set(j)
		if j.hasKeys() {
			t.Errorf("%s: there are keys", name)
		}
		if j.adviseFirewall(t.Context()); len(j.report.Next) > 0 {
			t.Errorf("%s: %+v", name, j.report.Next)
		}
	}
	j := s.job()
	j.Systemd = false
	if j.adviseFirewall(t.Context()); len(j.report.Next) > 0 || !j.hasKeys() {
		t.Errorf("without systemd: %+v", j.report.Next)
	}
}

// The daemon whose unit or socket is enabled runs the guests, whatever else is there.
func TestEnabledGuestDaemon(t *testing.T) {
	const enabled = "/etc/systemd/system/"
	for file, want := range map[string]string{
		enabled + "multi-user.target.wants/virtqemud.service": "virtqemud.service",
		enabled + "sockets.target.wants/virtqemud.socket":     "virtqemud.service",
		enabled + "multi-user.target.wants/libvirtd.service":  "libvirtd.service",
		enabled + "sockets.target.wants/libvirtd.socket":      "libvirtd.service",
		"/usr/sbin/libvirtd": "libvirtd.service",
	} {
		for _, programs := range [][]string{{"/usr/sbin/virtqemud"}, {"/usr/sbin/virtqemud", "/usr/sbin/libvirtd"}} {
			h := newHost(t)
			for _, name := range append(programs, file) {
				h.write(name, "")
			}
			if got := h.job(os.Geteuid()).guestDaemon(); got != want {
				t.Errorf("%q and %s: %s, want %s", programs, file, got, want)
			}
		}
	}
}

// A process named dnsmasq that another program has started is found.
func TestFindRunningDnsmasq(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "dnsmasq")
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	s := newStartable(t)
	s.write("/run/mdserver/mds.pid", strconv.Itoa(cmd.Process.Pid))
	j := s.job()
	j.findLeftovers()
	if len(j.report.Findings) != 1 || !strings.HasPrefix(j.report.Findings[0].What, "dnsmasq (process "+strconv.Itoa(cmd.Process.Pid)+") ") {
		t.Errorf("%+v", j.report.Findings)
	}
}

// A configuration that the server cannot read is found with all else that is left.
func TestLeftoversOfRights(t *testing.T) {
	s := newStartable(t)
	s.installed()
	if err := os.Chmod(s.path("/etc/mdserver/mdserver.conf"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := s.job()
	j.account = account{os.Getuid(), os.Getgid()}
	if j.findLeftovers(); len(j.report.Findings) != 1 || !strings.HasPrefix(j.report.Findings[0].What, "/etc/mdserver/mdserver.conf is not readable") {
		t.Errorf("%+v", j.report.Findings)
	}
}

// libvirt has not read a hook that was replaced just now.
func TestReplacedHookIsNotKnown(t *testing.T) {
	for _, action := range []Action{Created, Replaced} {
		s := newStartable(t)
		s.installed()
		s.answers["systemctl show --property StateChangeTimestamp --value libvirtd.service"] = "Fri 2100-01-01 00:00:00 UTC\n"
		j := s.job()
		if !j.knowsHook(t.Context(), "libvirtd.service") {
			t.Error("libvirt does not know an old hook")
		}
		j.report.add(action, unitPath, "")
		if !j.knowsHook(t.Context(), "libvirtd.service") {
			t.Errorf("libvirt does not know the hook because another file was %s", action)
		}
		j.report.add(action, hookPath, "")
		if j.knowsHook(t.Context(), "libvirtd.service") {
			t.Errorf("libvirt knows a hook that was just %s", action)
		}
	}
}

// A network counts as used if libvirt does not say whether guests use it.
func TestInUse(t *testing.T) {
	s := newStartable(t)
	j := s.job()
	if j.inUse(t.Context(), "default") || !j.inUse(t.Context(), "unknown") {
		t.Error("it is the other way round")
	}
	s.answers["virsh --connect qemu:///system net-port-list --uuid default"] = "0a1b\n"
	if !j.inUse(t.Context(), "default") {
		t.Error("a network with a guest is not used")
	}
}

// Settings of other sections say nothing of networks.
func TestSetsNetwork(t *testing.T) {
	const includes = "[_include_]\ndirectories = /etc/mdserver/mdserver.conf.d\n"
	for text, want := range map[string]bool{
		includes:                             false,
		includes + "[mdserver]\nport = 80\n": false,
		includes + "[dnsmasq]\nuse_dns = yes\nport_security = yes\n": false,
		includes + "[dnsmasq]\nnet_name = lan\n":                     true,
		includes + "[network lan]\nbackend = libvirt\n":              true,
		"[mdserver]\nport = 80\n":                                    true,
	} {
		s := newStartable(t)
		s.write("/etc/mdserver/mdserver.conf", text)
		if err := os.Mkdir(s.path(path.Dir(dropIn)), 0o755); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := s.load("/etc/mdserver/mdserver.conf")
		if err != nil {
			t.Fatal(err)
		}
		if got := setsNetwork(cfg); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
