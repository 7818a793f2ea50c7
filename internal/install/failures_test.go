package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"mdserver/internal/config"
	"mdserver/internal/install/rootfs"
	"mdserver/internal/libvirt/network"
)

// A tree that cannot be used ends each step with an error, and nothing is taken for gone
// or for done.
func TestUnusableTree(t *testing.T) {
	ctx := context.Background()
	it := item{path: "/etc/x", content: []byte("x"), mode: 0o644}
	for name, step := range map[string]struct {
		do   func(j *job) error
		says string
	}{
		"accounts":         {func(j *job) error { return j.ensureAccounts(ctx) }, ""},
		"a directory":      {func(j *job) error { return j.ensureDirectory(directory{path: "/x/y", mode: 0o755}) }, "make directory /x/y: "},
		"the state":        {func(j *job) error { return j.takeOverState() }, "state directory: "},
		"a file":           {func(j *job) error { return j.place(it) }, ""},
		"a new file":       {func(j *job) error { return j.put(it, it.path, Created, "") }, "write /etc/x: "},
		"a file beside":    {func(j *job) error { return j.keep(it, file{}, "") }, ""},
		"a former file":    {func(j *job) error { return j.setAside(it) }, ""},
		"a moved file":     {func(j *job) error { return j.moveFile("/etc/x") }, "write "},
		"an obsolete file": {func(j *job) error { return j.removeObsolete(nil) }, ""},
		"a removed file":   {func(j *job) error { return j.takeAway("/etc/old") }, ""},
		"the uninstall":    {func(j *job) error { return j.uninstall(ctx) }, ""},
		"the purge":        {func(j *job) error { return j.purge(ctx) }, "purge: "},
		"the list":         {func(j *job) error { return j.manifest.save(j.tree) }, "write "},
		"the old list":     {func(j *job) error { return (&manifest{}).load(j.tree, "/x") }, "the list of installed files, /x: "},
		"what is left": {func(j *job) error {
			_, err := loadLeft(j.tree, 0)
			return err
		}, ""},
		"the whole": {func(j *job) error { return j.install(ctx, []item{it}) }, ""},
	} {
		j := newStartable(t).job()
		j.account, j.dnsmasq = account{os.Getuid(), os.Getgid()}, account{os.Getuid(), os.Getgid()}
		j.manifest.Files["/etc/old"] = file{SHA256: sum([]byte("old"))}
		j.tree.Close()
		if err := step.do(j); !errors.Is(err, fs.ErrClosed) || !strings.HasPrefix(strings.ReplaceAll(err.Error(), j.tree.Base(), ""), step.says) {
			t.Errorf("%s: %v", name, err)
		}
		for _, c := range j.report.Changes {
			if c.Action == Removed && strings.HasPrefix(c.Name, "/") || c.Action == Created && strings.HasPrefix(c.Name, "/") {
				t.Errorf("%s: said is %+v", name, c)
			}
		}
	}
}

// What is in the way of a file of the Python mdserver's is an error.
func TestFilesThatCannotBeMoved(t *testing.T) {
	h := newHost(t)
	h.write("/etc/dir/file", "x")
	h.write("/etc/dir"+originalSuffix, "the former one")
	h.write(shareDir("/usr/local")+"/README.md", "for the list of files")
	j := h.job(os.Geteuid())
	if err := j.setAside(item{path: "/etc/none"}); err == nil || !strings.HasPrefix(err.Error(), "rename the Python mdserver's file: ") {
		t.Errorf("set aside: %v", err)
	}
	if err := j.moveFile("/etc/none"); err == nil || !strings.HasPrefix(err.Error(), "rename the Python mdserver's file: ") {
		t.Errorf("moved: %v", err)
	}
	if err := j.restore("/etc/dir", true); err == nil || !strings.HasPrefix(err.Error(), "restore the Python mdserver's file: ") {
		t.Errorf("restored: %v", err)
	}
	j.manifest.Aside = []string{"/etc/dir"}
	h.remove("/etc/dir/file")
	if err := j.putBack(); err != nil || action(j.report, "/etc/dir"+originalSuffix) != Kept {
		t.Errorf("put back: %v, %+v", err, j.report.Changes)
	}
}

// What is no file is kept, whatever was installed there, and said to be what it is.
func TestWhatIsNoFileIsKept(t *testing.T) {
	h := newHost(t)
	for _, dir := range []string{"/etc/dir", "/etc/beside" + newSuffix} {
		h.write(dir+"/inside", "x")
	}
	h.write("/etc/beside", "the administrator's")
	h.symlink("/dev/null", "/etc/link")
	if err := syscall.Mkfifo(h.path("/etc/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Change{
		"/etc/dir":    {Kept, "/etc/dir", "it is a directory; the new version is in /etc/dir.new"},
		"/etc/pipe":   {Kept, "/etc/pipe", "it is a special file; the new version is in /etc/pipe.new"},
		"/etc/link":   {Kept, "/etc/link", "it is a symbolic link; the new version is in /etc/link.new"},
		"/etc/beside": {Skipped, "/etc/beside.new", "it is a directory"},
	} {
		j := h.job(os.Geteuid())
		if err := j.place(item{path: name, content: []byte("new"), mode: 0o644}); err != nil || !slices.Contains(j.report.Changes, want) {
			t.Errorf("%s: %+v, %v", name, j.report.Changes, err)
		}
		if name == "/etc/beside" {
			continue
		}
		j = h.job(os.Geteuid())
		gone, err := j.removeUnchanged(name, "")
		if want := (Change{Kept, name, strings.TrimSuffix(want.Note, "; the new version is in "+name+".new")}); gone || err != nil || !slices.Contains(j.report.Changes, want) {
			t.Errorf("%s: gone %v, %+v, %v", name, gone, j.report.Changes, err)
		}
	}
}

// A directory that cannot be removed is named, unless it has files of others.
func TestDirectoriesThatStay(t *testing.T) {
	h := newHost(t)
	h.write("/srv/full/file", "x")
	j := h.job(os.Geteuid())
	j.manifest.Directories = []string{"/srv/full", "/srv/none", "/srv/full/file/below"}
	j.removeDirectories()
	if len(j.report.Changes) != 1 || j.report.Changes[0].Action != Kept || j.report.Changes[0].Name != "/srv/full/file/below/" || j.report.Changes[0].Note == "" {
		t.Errorf("%+v", j.report.Changes)
	}
}

func TestListsOfFiles(t *testing.T) {
	h := newHost(t)
	h.write("/broken", "{")
	h.write("/empty", `{"files": null}`)
	j := h.job(os.Geteuid())
	if err := (&manifest{}).load(j.tree, "/broken"); err == nil || !strings.HasPrefix(err.Error(), "the list of installed files, /broken: ") {
		t.Errorf("a broken list: %v", err)
	}
	m := &manifest{}
	if err := m.load(j.tree, "/empty"); err != nil || m.Files == nil {
		t.Errorf("an empty list: %+v, %v", m, err)
	}
}

// An error of a program has what it printed on standard error.
func TestExecQuery(t *testing.T) {
	for script, want := range map[string]struct{ out, err string }{
		"echo list; echo warning >&2":        {"list\n", ""},
		"echo part; echo why >&2; exit 3":    {"part\n", "sh: exit status 3: why"},
		"exit 3":                             {"", "sh: exit status 3"},
		"printf '  \n spaces \n' >&2; false": {"", "sh: exit status 1: spaces"},
	} {
		out, err := ExecQuery(t.Context(), "sh", "-c", script)
		if out != want.out || (err != nil) != (want.err != "") || err != nil && err.Error() != want.err {
			t.Errorf("%s: %q, %v, want %+v", script, out, err, want)
		}
	}
	if _, err := ExecQuery(t.Context(), "/does/not/exist"); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "/does/not/exist: ") {
		t.Errorf("%v", err)
	}
}

// The server joins libvirt's group if there is one that it is not in.
func TestJoinGroup(t *testing.T) {
	for group, want := range map[string]Change{
		"root:x:0:\n":                         {Skipped, "group libvirt", "there is no such group; libvirt's configuration decides who can use its socket"},
		"libvirt:x:110:alice,mdserver\n":      {Unchanged, "group libvirt", "mdserver is a member"},
		"libvirt:x:110:alice\n":               {Done, "usermod --append --groups libvirt mdserver", ""},
		"other:x:1:mdserver\nlibvirt:x:110\n": {Skipped, "group libvirt", "there is no such group; libvirt's configuration decides who can use its socket"},
	} {
		s := newStartable(t)
		s.write("/etc/group", group)
		j := s.job()
		if j.joinGroup(t.Context()); len(j.report.Changes) != 1 || j.report.Changes[0] != want {
			t.Errorf("%q: %+v, want %+v", group, j.report.Changes, want)
		}
		if len(j.manifest.Undo) != len(s.ran) {
			t.Errorf("%q: ran %q, to undo %q", group, s.ran, j.manifest.Undo)
		}
	}
	s := newStartable(t)
	s.remove("/etc/group")
	if _, found := s.job().members("libvirt"); found {
		t.Error("without a file there is a group")
	}
}

// A network that cannot be started is said to be so, and what is not known is not done.
func TestStartNetwork(t *testing.T) {
	const list = "virsh --connect qemu:///system net-list --name"
	for name, tt := range map[string]struct {
		network served
		answers map[string]string
		want    []Change
	}{
		"libvirt does not answer": {served{name: "mds"}, nil, []Change{{Failed, "network mds", "no"}}},
		"none of that name": {served{name: "lab", libvirt: true}, map[string]string{list + " --all": "default\nmds\n"},
			[]Change{{Failed, "network lab", "libvirt has no such network; it has: default, mds"}}},
		"another's bridge": {served{name: "lab", otherBridge: true}, map[string]string{list + " --all": "default\n"},
			[]Change{{Skipped, "network lab", "libvirt has no such network; its bridge is created elsewhere"}}},
		"neither state is known": {served{name: "lab", libvirt: true}, map[string]string{list + " --all": "lab\n"}, nil},
		"it runs":                {served{name: "lab", libvirt: true}, map[string]string{list + " --all": "lab\n", list + " --all --autostart": "lab\n", list: "lab\n"}, nil},
		"it is stopped": {served{name: "lab", libvirt: true}, map[string]string{list + " --all": "lab\n", list + " --all --autostart": "x\n", list: "x\n"},
			[]Change{{Done, "virsh --connect qemu:///system net-autostart lab", ""}, {Done, "virsh --connect qemu:///system net-start lab", ""}}},
	} {
		s := newStartable(t)
		s.answers = tt.answers
		j := s.job()
		if j.startNetwork(t.Context(), tt.network); !slices.Equal(j.report.Changes, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, j.report.Changes, tt.want)
		}
	}
}

// A network of the server's own has libvirt's bridge only if both have their usual names.
func TestServedAs(t *testing.T) {
	for _, tt := range []struct {
		network config.Network
		want    served
	}{
		{config.Network{Name: "mds", Interface: ownBridge}, served{name: "mds"}},
		{config.Network{Name: "mds", Interface: "br0"}, served{name: "mds", otherBridge: true}},
		{config.Network{Name: "lab", Interface: ownBridge}, served{name: "lab", otherBridge: true}},
		{config.Network{Name: "lab", Backend: config.BackendLibvirt}, served{name: "lab", libvirt: true}},
	} {
		if got := servedAs(tt.network); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.network, got, tt.want)
		}
	}
}

// A configuration that cannot be read ends the start, before and after it is written to.
func TestUnreadableConfiguration(t *testing.T) {
	s := newStartable(t)
	j := s.job()
	j.Start = &Start{}
	j.Load = func(string) (*config.Config, []config.Warning, error) {
		return nil, nil, errors.New("line 3: no section")
	}
	if err := j.configure(); err == nil || err.Error() != "start: the configuration is not valid:\nline 3: no section" {
		t.Errorf("configured: %v", err)
	}
	if err := j.verify(); err == nil || err.Error() != "start: the configuration is not valid with "+dropIn+":\nline 3: no section" {
		t.Errorf("verified: %v", err)
	}
	s.write(dropIn+"/file", "a directory in place of the file")
	j = s.job()
	j.Start = &Start{}
	if err := j.configure(); err == nil || !strings.HasPrefix(err.Error(), "start: ") {
		t.Errorf("configured over a directory: %v", err)
	}
}

func TestConfiguredNetworks(t *testing.T) {
	j := newStartable(t).job()
	j.Start, j.served = &Start{Network: "lab"}, []served{{name: "lab"}}
	cfg := config.Default()
	if got := j.lacksNetwork(cfg); len(got) != 1 || got[0].section != "dnsmasq" || !slices.Equal(got[0].lines, []string{"net_name = lab"}) {
		t.Errorf("%+v", got)
	}
	cfg.Networks = append(cfg.Networks, config.Network{Name: "lab", Backend: "dnsmasq"})
	if got := j.lacksNetwork(cfg); len(got) > 0 {
		t.Errorf("a network that is configured is missing: %+v", got)
	}
	if j.compareBackend(cfg); !slices.Equal(j.report.Changes, []Change{{Kept, "network lab", "your configuration has it with another backend, dnsmasq"}}) {
		t.Errorf("%+v", j.report.Changes)
	}
}

// A configuration that the server's user cannot read is found, with the commands that
// give it to the user's group.
func TestUnreadableForTheServer(t *testing.T) {
	h := newHost(t)
	h.write(etcDir+"/mdserver.conf", "")
	h.write(userdataDir+"/base.yaml", "")
	for name, tt := range map[string]struct {
		dir, file fs.FileMode
		group     int // of the server; that of the files is the test's
		want      []string
	}{
		"all can read":        {0o755, 0o644, 1 << 20, nil},
		"the group can read":  {0o750, 0o640, os.Getgid(), nil},
		"no account":          {0o700, 0o600, rootfs.NoOwner, nil},
		"another group":       {0o750, 0o644, 1 << 20, []string{etcDir, userdataDir}},
		"the group may not":   {0o755, 0o600, os.Getgid(), []string{etcDir + "/mdserver.conf"}},
		"directories as such": {0o744, 0o644, 1 << 20, []string{etcDir, userdataDir}},
	} {
		for path, mode := range map[string]fs.FileMode{etcDir + "/mdserver.conf": tt.file, userdataDir: tt.dir, etcDir: tt.dir} {
			if err := os.Chmod(h.path(path), mode); err != nil {
				t.Fatal(err)
			}
		}
		j := h.job(os.Geteuid())
		j.account.gid = tt.group
		j.findUnreadableConfig()
		var want []Finding
		for _, path := range tt.want {
			rights := "rX"
			if path == etcDir+"/mdserver.conf" {
				rights = "r"
			}
			want = append(want, Finding{path + " is not readable for the group mdserver of mdserver's user", []string{"chgrp -R mdserver " + path, "chmod -R g+" + rights + " " + path}})
		}
		if !slices.EqualFunc(j.report.Findings, want, func(a, b Finding) bool { return a.What == b.What && slices.Equal(a.Commands, b.Commands) }) {
			t.Errorf("%s: %+v, want %+v", name, j.report.Findings, want)
		}
	}
}

// A dnsmasq of the Python mdserver's is found by its process, and this server's own is not.
func TestFindDnsmasq(t *testing.T) {
	process := func(name, parent string) map[string]string {
		return map[string]string{"7/comm": name + "\n", "7/stat": "7 (dns) (masq) S " + parent + " 7 7", "1/comm": "systemd\n", "5/comm": "mdserver\n"}
	}
	for name, tt := range map[string]struct {
		pid   string
		files map[string]string
		found bool
	}{
		"of systemd":         {"7\n", process("dnsmasq", "1"), true},
		"of the server":      {"7\n", process("dnsmasq", "5"), false},
		"of nobody":          {"7\n", map[string]string{"7/comm": "dnsmasq"}, true},
		"another program":    {"7\n", process("nginx", "1"), false},
		"it has ended":       {"8\n", process("dnsmasq", "1"), false},
		"no number":          {"x\n", process("dnsmasq", "1"), false},
		"a number of a kind": {"0\n", process("dnsmasq", "1"), false},
		"no file":            {"", process("dnsmasq", "1"), false},
	} {
		s := newStartable(t)
		if tt.pid != "" {
			s.write("/run/mdserver/mds.pid", tt.pid)
		}
		proc := fstest.MapFS{}
		for path, text := range tt.files {
			proc[path] = &fstest.MapFile{Data: []byte(text)}
		}
		j := s.job()
		j.findDnsmasq(proc)
		if found := len(j.report.Findings) == 1 && strings.HasPrefix(j.report.Findings[0].What, "dnsmasq (process 7) of the Python mdserver's unit still runs") &&
			slices.Equal(j.report.Findings[0].Commands, []string{"systemctl stop mdserver.service mdserver-dnsmasq.path mdserver-dnsmasq.service"}); found != tt.found || !found && len(j.report.Findings) > 0 {
			t.Errorf("%s: %+v", name, j.report.Findings)
		}
		if j.Root = "/mnt"; tt.found {
			j.report.Findings = nil
			if j.findDnsmasq(proc); len(j.report.Findings) > 0 {
				t.Errorf("%s: found below another root", name)
			}
		}
	}
}

// What cannot be undone now stays noted, in its order, and an empty step is no step.
func TestUndoThatFails(t *testing.T) {
	s := newStartable(t)
	s.fails = "gpasswd --delete mdserver libvirt"
	j := s.job()
	leave, close := []string{"gpasswd", "--delete", "mdserver", "libvirt"}, []string{"firewall-cmd", "--permanent", "--remove-port=80/tcp"}
	stop := virsh("net-destroy", "default")
	j.manifest.Undo = [][]string{stop, leave, {}, close}
	s.answers["virsh --connect qemu:///system net-port-list --uuid default"] = "7e5a544d\n"
	j.undo(t.Context())
	if !slices.EqualFunc(j.manifest.Undo, [][]string{stop, leave}, slices.Equal) {
		t.Errorf("left to undo is %q", j.manifest.Undo)
	}
	if want := []string{strings.Join(close, " "), "firewall-cmd --reload"}; !slices.Equal(s.ran, want) {
		t.Errorf("ran %q, want %q", s.ran, want)
	}
	if len(j.report.Next) != 1 || j.report.Next[0].What != "stop the network after its guests" || !slices.Equal(j.report.Next[0].Commands, []string{strings.Join(stop, " ")}) {
		t.Errorf("next is %+v", j.report.Next)
	}
	if !slices.Contains(j.report.Changes, Change{Kept, "network default", "guests use it"}) {
		t.Errorf("%+v", j.report.Changes)
	}
}

// What stands in the way of removing entries and tables is reported, and nothing else is
// said to be removed.
func TestWithdrawThatFails(t *testing.T) {
	failed := errors.New("no rights")
	const entries, table = "entries in libvirt's networks", "nftables table bridge mdserver"
	j := newStartable(t).job()
	j.RemoveTable = func() (bool, error) { return false, failed }
	j.removeTable()
	j.Withdraw = func(context.Context, *config.Config, []string) ([]network.Withdrawal, error) { return nil, failed }
	j.withdraw(t.Context())
	load := j.Load
	j.Load = func(string) (*config.Config, []config.Warning, error) { return nil, nil, failed }
	j.withdraw(t.Context())
	if want := []Change{{Failed, table, "no rights"}, {Failed, entries, "no rights"}, {Failed, entries, "no rights"}}; !slices.Equal(j.report.Changes, want) {
		t.Errorf("%+v, want %+v", j.report.Changes, want)
	}
	j.Load, j.report.Changes = load, nil
	j.Withdraw = func(context.Context, *config.Config, []string) ([]network.Withdrawal, error) {
		return []network.Withdrawal{{Network: "empty"}, {Network: "stuck", Problems: []string{"it is locked", "and old"}}}, nil
	}
	j.withdraw(t.Context())
	if want := []Change{{Failed, "entries in libvirt's network stuck", "it is locked; and old"}}; !slices.Equal(j.report.Changes, want) || len(j.report.Next) > 0 {
		t.Errorf("%+v, next %+v", j.report.Changes, j.report.Next)
	}
	if !slices.Equal(j.manifest.Withdrawn, []string{"empty"}) {
		t.Errorf("withdrawn are %q", j.manifest.Withdrawn)
	}
}

// An id is a number, also that of root.
func TestLookup(t *testing.T) {
	h := newHost(t)
	h.write("/etc/passwd", "short:x\nbad:x:none:\nminus:x:-1:\nroot:x:0:0\nalice:x:1000:\n")
	j := h.job(os.Geteuid())
	for name, want := range map[string]int{"root": 0, "alice": 1000, "short": -1, "bad": -1, "minus": -1, "none": -1} {
		if id, known := j.lookup("/etc/passwd", name); known != (want >= 0) || known && id != want {
			t.Errorf("%s is %d, %v", name, id, known)
		}
	}
}

// A script of Python's is recognised by its first line and what follows it.
func TestOriginalProgram(t *testing.T) {
	for text, want := range map[string]bool{
		"#!/usr/bin/python3\nimport mdserver\n": true, "/usr/bin/python3\nimport mdserver\n": false,
		"#!/bin/sh\nexec mdserver\n": false, "#!/usr/bin/python3\nimport other\n": false, "#!/usr/bin/python3 mdserver": false,
	} {
		if got := isOriginalProgram([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
