package install

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/install/rootfs"
)

// host is a directory tree to install into, with a program to install.
type host struct {
	t    *testing.T
	opts Options
	ran  []string // commands of the system
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t}
	h.opts = Options{
		Root:       t.TempDir(),
		Executable: filepath.Join(t.TempDir(), "program"),
		UID:        os.Geteuid(),
		Run: func(_ context.Context, name string, args ...string) error {
			h.ran = append(h.ran, strings.Join(append([]string{name}, args...), " "))
			return nil
		},
	}
	h.newProgram("version 1")
	return h
}

func (h *host) newProgram(content string) {
	h.t.Helper()
	if err := os.WriteFile(h.opts.Executable, []byte(content), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) path(name string) string { return filepath.Join(h.opts.Root, name) }

func (h *host) write(name, content string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(content), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) read(name string) string {
	h.t.Helper()
	content, err := os.ReadFile(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(content)
}

func (h *host) install() *Report {
	h.t.Helper()
	report, err := Install(context.Background(), h.opts)
	if err != nil {
		h.t.Fatal(err)
	}
	return report
}

func (h *host) uninstall() *Report {
	h.t.Helper()
	report, err := Uninstall(context.Background(), h.opts)
	if err != nil {
		h.t.Fatal(err)
	}
	return report
}

// files are all files of the tree with what is in them and their modes.
func (h *host) files() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(h.opts.Root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		all["/"+name] = info.Mode().String() + " " + h.read(name)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// action is what a report says of one thing.
func action(r *Report, name string) Action {
	for _, c := range r.Changes {
		if c.Name == name {
			return c.Action
		}
	}
	return ""
}

func wantAction(t *testing.T, r *Report, name string, want Action) {
	t.Helper()
	if got := action(r, name); got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

const unitPath = unitDir + "/" + serverUnit

func TestInstallPutsEverythingInPlace(t *testing.T) {
	h := newHost(t)
	report := h.install()

	want := map[string]fs.FileMode{
		"/usr/local/bin/mdserver":                       0o755,
		"/usr/local/share/mdserver/mds-network.xml":     0o644,
		"/usr/local/share/mdserver/userdata/README.md":  0o644,
		"/usr/local/share/mdserver/userdata/base.yaml":  0o644,
		"/usr/local/share/mdserver/userdata/jinja.yaml": 0o644,
		"/usr/local/share/mdserver/install.json":        0o644,
		"/etc/mdserver/mdserver.conf":                   0o640,
		"/etc/mdserver/userdata/base.yaml":              0o640,
		"/etc/libvirt/hooks/qemu.d/mdserver":            0o755,
		"/etc/systemd/system/mdserver.service":          0o644,
		"/etc/systemd/system/mdserver-dnsmasq.service":  0o644,
		"/etc/systemd/system/mdserver-launcher.service": 0o644,
		"/etc/tmpfiles.d/mdserver.conf":                 0o644,
		"/etc/logrotate.d/mdserver":                     0o644,
	}
	if got := slices.Sorted(maps.Keys(h.files())); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Errorf("installed\n%s", strings.Join(got, "\n"))
	}
	for name, mode := range want {
		info, err := os.Stat(h.path(name))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %o, want %o", name, info.Mode(), mode)
		}
		if name != manifestPath("/usr/local") {
			wantAction(t, report, name, Created)
		}
	}
	for dir, mode := range map[string]fs.FileMode{
		"/etc/mdserver/userdata":        fs.ModeSetgid | 0o750,
		"/etc/mdserver/mdserver.conf.d": fs.ModeSetgid | 0o750,
		"/var/lib/mdserver/dnsmasq":     0o750,
	} {
		if info, err := os.Stat(h.path(dir)); err != nil || info.Mode() != fs.ModeDir|mode {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	if h.read("/usr/local/bin/mdserver") != "version 1" {
		t.Error("the program is another one")
	}
	if len(h.ran) > 0 {
		t.Errorf("ran %q for a tree that is not the running system", h.ran)
	}
}

func TestInstallAgainChangesNothing(t *testing.T) {
	h := newHost(t)
	h.install()
	before := h.files()
	for _, c := range h.install().Changes {
		if c.Action != Unchanged && c.Action != Skipped {
			t.Errorf("%s %s", c.Action, c.Name)
		}
	}
	if !maps.Equal(before, h.files()) {
		t.Error("files changed")
	}
}

func TestInstallAdaptsToPrefixAndUser(t *testing.T) {
	h := newHost(t)
	h.opts.Prefix, h.opts.User = "/opt/mds", "metadata"
	h.install()
	for name, want := range map[string]string{
		unitPath:                                  "User=metadata\nGroup=metadata\n",
		unitDir + "/" + dnsmasqUnit:               "User=mdserver-dnsmasq\nGroup=mdserver-dnsmasq\n",
		unitDir + "/" + launcherUnit:              "ExecStart=/opt/mds/bin/mdserver launcher --client metadata ",
		hooksDir + "/qemu.d/mdserver":             "/opt/mds/bin/mdserver hook",
		"/etc/tmpfiles.d/mdserver.conf":           "0640 metadata metadata",
		"/etc/logrotate.d/mdserver":               "0640 metadata metadata",
		"/opt/mds/share/mdserver/mds-network.xml": "/opt/mds/share/mdserver/mds-network.xml",
	} {
		content := h.read(name)
		if name == unitPath && !strings.Contains(content, "ExecStart=/opt/mds/bin/mdserver serve ") {
			t.Errorf("the unit starts another program:\n%s", content)
		}
		if !strings.Contains(content, want) {
			t.Errorf("%s lacks %q", name, want)
		}
		if strings.Contains(content, "/usr/local") || strings.Contains(content, "User=mdserver\n") {
			t.Errorf("%s holds the prefix or the user of others:\n%s", name, content)
		}
	}
	h.uninstall()
}

// An administrator's life: files are changed, deleted, masked; a new version
// comes.
func TestInstallKeepsWhatWasChanged(t *testing.T) {
	const hook = hooksDir + "/qemu.d/mdserver"
	tests := []struct {
		name   string
		path   string
		before func(h *host) // between two installations of different versions
		want   Action
		isNew  bool // the new version lies beside it
	}{
		{"an older version is replaced", hook,
			func(h *host) { h.pretendShipped(hook, "older version\n") }, Replaced, false},
		{"a changed file is kept, with nothing new to offer", hook,
			func(h *host) { h.write(hook, "changed\n") }, Kept, false},
		{"a changed file is kept, beside the new version", hook,
			func(h *host) { h.pretendShipped(hook, "older version\n"); h.write(hook, "changed\n") }, Kept, true},
		{"a deleted file is made again", hook,
			func(h *host) { h.remove(hook) }, Created, false},
		{"a masked unit is kept", unitPath,
			func(h *host) { h.remove(unitPath); h.symlink("/dev/null", unitPath) }, Kept, false},
		{"a deleted example stays away", userdataDir + "/base.yaml",
			func(h *host) { h.remove(userdataDir + "/base.yaml") }, Skipped, false},
		{"a changed example is kept without a word of a new one", userdataDir + "/base.yaml",
			func(h *host) {
				h.pretendShipped(userdataDir+"/base.yaml", "older version\n")
				h.write(userdataDir+"/base.yaml", "changed\n")
			}, Kept, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.install()
			shipped := h.files()[test.path]
			test.before(h)
			before := h.files()[test.path]
			wantAction(t, h.install(), test.path, test.want)

			after := h.files()
			if want := map[bool]string{true: before, false: shipped}[test.want == Kept || test.want == Skipped]; after[test.path] != want {
				t.Errorf("%s is now %q, want %q", test.path, after[test.path], want)
			}
			if got, is := after[test.path+newSuffix]; is != test.isNew || is && got != shipped {
				t.Errorf("%s: %v, %q", test.path+newSuffix, is, got)
			}
			wantAction(t, h.install(), test.path+newSuffix, "") // offered once
		})
	}
}

// pretendShipped makes a file that of an earlier version of mdserver.
func (h *host) pretendShipped(name, content string) {
	h.t.Helper()
	h.write(name, content)
	tr, err := rootfs.Open(h.opts.Root, false)
	if err != nil {
		h.t.Fatal(err)
	}
	defer tr.Close()
	m, err := loadManifest(tr, "/usr/local", os.Geteuid())
	if err != nil {
		h.t.Fatal(err)
	}
	m.Files[name] = file{SHA256: sum([]byte(content))}
	if err := m.save(tr); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) remove(name string) {
	h.t.Helper()
	if err := os.Remove(h.path(name)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) symlink(target, name string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Symlink(target, h.path(name)); err != nil {
		h.t.Fatal(err)
	}
}

func TestInstallUpgradesTheProgram(t *testing.T) {
	h := newHost(t)
	h.install()
	h.newProgram("version 2")
	wantAction(t, h.install(), "/usr/local/bin/mdserver", Replaced)
	if h.read("/usr/local/bin/mdserver") != "version 2" {
		t.Error("the program is the old one")
	}
}

// A copy by hand, which the manifest knows nothing of, is no reason to keep
// an old program.
func TestInstallReplacesAnotherBuild(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe") // a test of this module is one of its builds
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t)
	h.write("/usr/local/bin/mdserver", string(self))
	wantAction(t, h.install(), "/usr/local/bin/mdserver", Replaced)
}

func TestInstallRemovesWhatIsNoLongerShipped(t *testing.T) {
	h := newHost(t)
	h.install()
	h.pretendShipped("/etc/tmpfiles.d/mdserver-old.conf", "old\n")
	h.pretendShipped("/etc/tmpfiles.d/mdserver-mine.conf", "old\n")
	h.write("/etc/tmpfiles.d/mdserver-mine.conf", "changed\n")
	report := h.install()
	wantAction(t, report, "/etc/tmpfiles.d/mdserver-old.conf", Removed)
	wantAction(t, report, "/etc/tmpfiles.d/mdserver-mine.conf", Kept)
}

func TestDryRunWritesNothing(t *testing.T) {
	h := newHost(t)
	h.opts.DryRun = true
	report := h.install()
	wantAction(t, report, unitPath, Created)
	if entries, err := os.ReadDir(h.opts.Root); err != nil || len(entries) > 0 {
		t.Errorf("made %v, %v", entries, err)
	}

	h.opts.DryRun = false
	h.install()
	before := h.files()
	h.opts.DryRun = true
	wantAction(t, h.uninstall(), unitPath, Removed)
	if !maps.Equal(before, h.files()) {
		t.Error("a dry run of uninstall changed files")
	}
}

func TestUninstallLeavesConfigurationAndData(t *testing.T) {
	h := newHost(t)
	h.write("/etc/libvirt/hooks/qemu", "#!/bin/sh\n")
	h.install()
	h.write("/etc/mdserver/userdata/web1", "mine\n")
	h.write("/var/lib/mdserver/mdserver.db", "data\n")
	h.write("/etc/logrotate.d/mdserver", "changed\n")
	report := h.uninstall()

	want := []string{
		"/etc/libvirt/hooks/qemu", "/etc/logrotate.d/mdserver", "/etc/mdserver/mdserver.conf",
		leftRecord, "/etc/mdserver/userdata/base.yaml", "/etc/mdserver/userdata/web1", "/var/lib/mdserver/mdserver.db",
	}
	if got := slices.Sorted(maps.Keys(h.files())); !slices.Equal(got, want) {
		t.Errorf("left\n%s", strings.Join(got, "\n"))
	}
	wantAction(t, report, "/etc/logrotate.d/mdserver", Kept)
	if _, err := os.Stat(h.path("/usr")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty directories are left: %v", err)
	}
	if _, err := Uninstall(context.Background(), h.opts); err == nil || !strings.Contains(err.Error(), "already uninstalled; --purge removes") {
		t.Errorf("the second time: %v", err)
	}
}

func TestPurgeLeavesNothing(t *testing.T) {
	h := newHost(t)
	h.write("/var/log/other.log", "other\n")
	h.install()
	h.write("/etc/mdserver/userdata/web1", "mine\n")
	h.write("/var/log/mdserver.log", "log\n")
	h.write("/var/log/mdserver.log.1.gz", "log\n")
	h.write("/run/mdserver/dnsmasq/mds.pid", "1\n")
	h.opts.Purge = true
	h.uninstall()
	if got := slices.Sorted(maps.Keys(h.files())); !slices.Equal(got, []string{"/var/log/other.log"}) {
		t.Errorf("left\n%s", strings.Join(got, "\n"))
	}
}

func TestInstallStaysInsideTheRoot(t *testing.T) {
	for _, link := range []string{"/etc/systemd", "/etc/libvirt/hooks", "/etc/mdserver", "/usr/local/share", "/var/lib/mdserver"} {
		t.Run(link, func(t *testing.T) {
			h := newHost(t)
			outside := t.TempDir()
			h.symlink(outside, link)
			if _, err := Install(context.Background(), h.opts); err == nil || !strings.Contains(err.Error(), "escapes") {
				t.Errorf("error %v, want that a path escapes", err)
			}
			if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
				t.Errorf("made %v outside, %v", entries, err)
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	tests := []struct {
		name string
		set  func(*Options)
		want string
	}{
		{"not root", func(o *Options) { o.Root, o.UID = "", 1000 }, "only root"},
		{"not root, spelled out", func(o *Options) { o.Root, o.UID = "/", 1000 }, "only root"},
		{"relative prefix", func(o *Options) { o.Prefix = "opt" }, `prefix "opt"`},
		{"prefix that a shell would split", func(o *Options) { o.Prefix = "/opt/my programs" }, "plain characters"},
		{"user", func(o *Options) { o.User = "root:x" }, `user "root:x"`},
		{"root directory", func(o *Options) { o.Root = "/does/not/exist" }, "/does/not/exist"},
		{"program", func(o *Options) { o.Executable = "/does/not/exist" }, "program to install"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			test.set(&h.opts)
			_, err := Install(context.Background(), h.opts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if entries, _ := os.ReadDir(h.opts.Root); test.want != "only root" && len(entries) > 0 {
				t.Errorf("touched %v", entries)
			}
		})
	}
}

// Port security outlives the server, and ends with it on this host alone.
func TestUninstallRemovesTheTable(t *testing.T) {
	for _, test := range []struct {
		root   bool // below another directory
		dryRun bool
		calls  int
	}{{true, false, 0}, {false, true, 0}, {false, false, 1}} {
		calls := 0
		j := &job{Options: Options{DryRun: test.dryRun, RemoveTable: func() (bool, error) { calls++; return true, nil }}, report: &Report{}}
		if test.root {
			j.Root = t.TempDir()
		}
		j.removeTable()
		if calls != test.calls {
			t.Errorf("%+v: removed %d times", test, calls)
		}
		if told := action(j.report, "nftables table bridge mdserver") == Removed; told == test.root {
			t.Errorf("%+v: the report says %v", test, j.report.Changes)
		}
	}
}

// A file that root copies into the directory of user-data is to be readable for
// the server, also where the directory is of an earlier version.
func TestInstallHasNewFilesInheritTheGroup(t *testing.T) {
	s := newStartable(t)
	if err := os.MkdirAll(s.path(userdataDir), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Action{Done, ""} { // once
		report, _ := s.start(Start{Network: "default"})
		wantAction(t, report, "chmod g+s "+userdataDir, want)
	}
	if info, err := os.Stat(s.path(userdataDir)); err != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o750 {
		t.Errorf("%v, %v", info, err)
	}
}

// libvirt starts no guest without its directory, and keeps it when mdserver goes.
func TestInstallMakesLibvirtDirectory(t *testing.T) {
	h := newHost(t)
	wantAction(t, h.install(), libvirtState+"/", "") // there is no libvirt

	if err := os.MkdirAll(h.path("/var/lib/libvirt"), 0o755); err != nil {
		t.Fatal(err)
	}
	wantAction(t, h.install(), libvirtState+"/", Created)
	h.uninstall()
	if info, err := os.Stat(h.path(libvirtState)); err != nil || info.Mode() != fs.ModeDir|0o755 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestInstallIndexesAndLabels(t *testing.T) {
	s := newStartable(t)
	s.write("/usr/bin/mandb", "")
	s.write("/sys/fs/selinux/enforce", "1")
	s.opts.Manual = []Page{{Path: "share/man/man8/mdserver.8", Content: []byte("page")}}
	_, ran := s.start(Start{Network: "default"})
	for _, want := range []string{
		"mandb --quiet",
		"restorecon -R /etc/libvirt/hooks /usr/local/bin/mdserver /etc/mdserver /var/lib/mdserver",
	} {
		if !slices.Contains(ran, want) {
			t.Errorf("did not run %q: %q", want, ran)
		}
	}
}
