package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/install/rootfs"
)

const (
	rootOnly     = "root:x:0:0:root:/root:/bin/sh\n"
	dnsmasqThere = rootOnly + "mdserver-dnsmasq:x:991:991::/:/bin/false\n"
	dnsmasqGroup = "root:x:0:\nmdserver-dnsmasq:x:891:\n" // its id need not be the user's
)

func TestAccountIsCreated(t *testing.T) {
	tests := []struct {
		name   string
		passwd string
		group  string
		want   string // the command, without the arguments that are always there
	}{
		{"neither", dnsmasqThere, dnsmasqGroup, "useradd … --user-group"},
		{"only the group", dnsmasqThere, dnsmasqGroup + "mdserver:x:990:\n", "useradd … --gid mdserver"},
		{"only the user", dnsmasqThere + "mdserver:x:990:990::/:/bin/false\n", dnsmasqGroup, "groupadd …"},
		{"both", dnsmasqThere + "mdserver:x:990:890::/:/bin/false\n", dnsmasqGroup + "mdserver:x:890:\n", ""},
		{"a name that only begins so", dnsmasqThere + "mdserver2:x:990:990::/:/bin/false\n", dnsmasqGroup + "mdserver2:x:990:\n", "useradd … --user-group"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.write("/etc/passwd", test.passwd)
			h.write("/etc/group", test.group)
			j := h.job(0)
			if err := j.ensureAccounts(context.Background()); err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if len(h.ran) > 0 || j.account != (account{990, 890}) || j.dnsmasq != (account{991, 891}) {
					t.Errorf("ran %q, found %v and %v", h.ran, j.account, j.dnsmasq)
				}
				return
			}
			tool, option, _ := strings.Cut(test.want, " …")
			if len(h.ran) != 1 || !strings.HasPrefix(h.ran[0], tool+" --system ") || !strings.Contains(h.ran[0], option) ||
				!strings.HasSuffix(h.ran[0], " --prefix "+h.opts.Root+" mdserver") {
				t.Errorf("ran %q, want %s", h.ran, test.want)
			}
			if both := strings.Contains(h.ran[0], "--user-group") && strings.Contains(h.ran[0], "--gid"); both {
				t.Errorf("ran %q, and useradd takes one of the options", h.ran)
			}
			want := "" // a user that was there is not ours to remove
			if tool == "useradd" {
				want = "mdserver"
			}
			if j.manifest.CreatedUser != want {
				t.Errorf("noted that the user %q was made, want %q", j.manifest.CreatedUser, want)
			}
		})
	}
}

// job is one for the host, run by a user.
func (h *host) job(uid int) *job {
	h.t.Helper()
	h.opts.UID = uid
	j, err := newJob(h.opts)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(j.tree.Close)
	return j
}

func TestAccountIsSkipped(t *testing.T) {
	tests := []struct {
		name string
		uid  int
		set  func(h *host)
		note string
	}{
		{"as asked", 0, func(h *host) { h.write("/etc/passwd", rootOnly); h.opts.NoUser = true }, "as requested"},
		{"by an ordinary user", 1000, func(h *host) { h.write("/etc/passwd", rootOnly) }, "only root"},
		{"in a tree without accounts", 0, func(*host) {}, "there is no /etc/passwd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			test.set(h)
			j := h.job(test.uid)
			if err := j.ensureAccounts(context.Background()); err != nil {
				t.Fatal(err)
			}
			if len(h.ran) > 0 || len(j.report.Changes) != 2 || !strings.Contains(j.report.Changes[0].Note, test.note) {
				t.Errorf("ran %q, reported %v", h.ran, j.report.Changes)
			}
		})
	}
}

func TestAccountFailureComesBeforeFiles(t *testing.T) {
	h := newHost(t)
	h.write("/etc/passwd", rootOnly)
	h.opts.UID = 0
	h.opts.Run = func(context.Context, string, ...string) error { return errors.New("useradd: no room") }
	if _, err := Install(context.Background(), h.opts); err == nil || !strings.Contains(err.Error(), "create user mdserver: useradd: no room") {
		t.Errorf("error %v", err)
	}
	if len(h.files()) != 1 {
		t.Errorf("files %v", h.files())
	}
}

// dnsmasq has a user of its own, in no group of the server's.
func TestDnsmasqUserIsCreated(t *testing.T) {
	h := newHost(t)
	h.write("/etc/passwd", rootOnly)
	h.write("/etc/group", "root:x:0:\n")
	j := h.job(0)
	if err := j.ensureAccounts(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(h.ran) != 2 || !strings.HasSuffix(h.ran[1], " mdserver-dnsmasq") || !strings.Contains(h.ran[1], " --user-group ") ||
		strings.Contains(h.ran[1], "--groups") {
		t.Errorf("ran %q", h.ran)
	}
	if j.manifest.CreatedUser != "mdserver" || j.manifest.CreatedDnsmasqUser != "mdserver-dnsmasq" {
		t.Errorf("noted %+v", j.manifest)
	}
}

// Files that the original wrote as root become those of mdserver's user, so
// far as nobody else may have them under another name. dnsmasq's user may read
// what is for dnsmasq, on its way through a directory where it reads nothing.
func TestStateIsTakenOver(t *testing.T) {
	server, dnsmasq, other := 54321, 54322, os.Getuid()
	if other != 0 { // who can give files to nobody else
		server, dnsmasq = other, other
	}
	h := newHost(t)
	h.write("/var/lib/mdserver/db_file.json", "[]\n")
	h.write("/var/lib/mdserver/dnsmasq/dns/mds.dns-hosts", "\n")
	h.write("/outside", "\n")
	h.symlink("/outside", "/var/lib/mdserver/link")
	if err := os.Link(h.path("/outside"), h.path("/var/lib/mdserver/hard")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/outside", "/var/lib/mdserver/db_file.json", "/var/lib/mdserver/dnsmasq/dns/mds.dns-hosts"} {
		if err := os.Chmod(h.path(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	j := h.job(0)
	j.account, j.dnsmasq = account{server, server}, account{dnsmasq, dnsmasq}
	for range 2 {
		if err := j.takeOverState(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(j.report.Changes); n != 1 {
		t.Errorf("%d changes reported, the second time there is nothing to do", n)
	}
	for name, want := range map[string]rootfs.Rights{
		"/var/lib/mdserver":                           rights(server, server, fs.ModeDir|0o751),
		"/var/lib/mdserver/db_file.json":              rights(server, server, 0o640),
		"/var/lib/mdserver/hard":                      rights(other, os.Getgid(), 0o644),
		"/var/lib/mdserver/link":                      rights(server, server, fs.ModeSymlink|0o777),
		"/var/lib/mdserver/dnsmasq":                   rights(server, dnsmasq, fs.ModeDir|fs.ModeSetgid|0o750),
		"/var/lib/mdserver/dnsmasq/dns":               rights(server, dnsmasq, fs.ModeDir|fs.ModeSetgid|0o750),
		"/var/lib/mdserver/dnsmasq/dns/mds.dns-hosts": rights(server, dnsmasq, 0o644),
		"/outside": rights(other, os.Getgid(), 0o644),
	} {
		info, err := os.Lstat(h.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if got := rootfs.RightsOf(info); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func rights(uid, gid int, mode fs.FileMode) rootfs.Rights {
	return rootfs.Rights{UID: uid, GID: gid, Mode: mode}
}

// Whose each file of the state directory becomes, as the same names and modes that only
// root could give away show.
func TestStateRights(t *testing.T) {
	const (
		server  = 501
		dnsmasq = 502
		dir     = fs.ModeDir
	)
	for _, test := range []struct {
		name string
		mode fs.FileMode
		want rootfs.Rights
		no   rootfs.Rights // where dnsmasq has no user
	}{
		{".", dir | 0o777, rights(server, server, dir|0o771), rights(server, server, dir|0o771)},
		{".", dir | 0o700, rights(server, server, dir|0o701), rights(server, server, dir|0o701)},
		{"mdserver.db", 0o646, rights(server, server, 0o640), rights(server, server, 0o640)},
		{"backup", dir | 0o755, rights(server, server, dir|0o750), rights(server, server, dir|0o750)},
		{"dnsmasq", dir | 0o700, rights(server, dnsmasq, dir|fs.ModeSetgid|0o750), rights(server, server, dir|0o700)},
		{"dnsmasq/dns", dir | 0o777, rights(server, dnsmasq, dir|fs.ModeSetgid|0o750), rights(server, server, dir|0o770)},
		{"dnsmasq/mds.conf", 0o604, rights(server, dnsmasq, 0o644), rights(server, server, 0o600)},
		{"dnsmasq/hosts", 0o600, rights(server, dnsmasq, 0o640), rights(server, server, 0o600)},
		{"dnsmasq.leases", 0o644, rights(server, server, 0o640), rights(server, server, 0o640)},
		{"link", fs.ModeSymlink | 0o777, rights(server, server, fs.ModeSymlink|0o777), rights(server, server, fs.ModeSymlink|0o777)},
		{"dnsmasq/socket", fs.ModeSocket | 0o755, rights(server, dnsmasq, fs.ModeSocket|0o755), rights(server, server, fs.ModeSocket|0o755)},
	} {
		j := newHost(t).job(0)
		j.account, j.dnsmasq = account{server, server}, account{dnsmasq, dnsmasq}
		if got := j.stateRights(test.name, test.mode); got != test.want {
			t.Errorf("%s, %v: %+v, want %+v", test.name, test.mode, got, test.want)
		}
		j.dnsmasq = account{rootfs.NoOwner, rootfs.NoOwner}
		if got := j.stateRights(test.name, test.mode); got != test.no {
			t.Errorf("%s, %v, without dnsmasq's user: %+v, want %+v", test.name, test.mode, got, test.no)
		}
	}
}

// Only root gives files away, to the server's user or its group as the file says.
func TestOwners(t *testing.T) {
	j := newHost(t).job(0)
	j.account = account{501, 502}
	for _, test := range []struct {
		uid              int
		user, group      bool
		wantUID, wantGID int
	}{
		{0, true, true, 501, 502}, {0, true, false, 501, rootfs.NoOwner}, {0, false, true, rootfs.NoOwner, 502}, {0, false, false, rootfs.NoOwner, rootfs.NoOwner},
		{1000, true, true, rootfs.NoOwner, rootfs.NoOwner},
	} {
		j.UID = test.uid
		if uid, gid := j.owners(test.user, test.group); uid != test.wantUID || gid != test.wantGID {
			t.Errorf("%+v: %d, %d", test, uid, gid)
		}
	}
}

// A file and a directory belong to whom they are given, or there is an error: only root
// may give them to another user.
func TestFilesAreGiven(t *testing.T) {
	const server = 54321
	h := newHost(t)
	h.write("/etc/file", "old")
	h.write(stateDir+"/mdserver.db", "")
	h.write(dropIn+"x", "")
	j := h.job(0)
	j.account = account{server, server}
	for name, do := range map[string]func() error{
		dropIn:                    func() error { return j.writeDropIn("[public-keys]\n") },
		"/etc/file":               func() error { return j.tree.Write("/etc/file", []byte("new"), 0o640, server, server) },
		"/etc/dir":                func() error { _, err := j.tree.Mkdir("/etc/dir", 0o750, server, server); return err },
		stateDir + "/mdserver.db": j.takeOverState,
	} {
		err := do()
		if os.Getuid() != 0 {
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s was given to another user: %v", name, err)
			}
			continue
		}
		info, statErr := os.Stat(h.path(name))
		owner := server
		if name == dropIn { // whose keys the server reads, and does not write
			owner = 0
		}
		if err != nil || statErr != nil || rootfs.RightsOf(info).UID != owner || rootfs.RightsOf(info).GID != server {
			t.Errorf("%s: %v, %v, %+v", name, err, statErr, info)
		}
	}
	if got, want := h.read("/etc/file"), map[bool]string{true: "new", false: "old"}[os.Getuid() == 0]; got != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
	for name := range h.files() {
		if strings.HasPrefix(path.Base(name), ".") {
			t.Errorf("%s is left", name)
		}
	}
}

func TestRunningSystemIsTold(t *testing.T) {
	h := newHost(t)
	j := h.job(0)
	j.Root, j.Systemd = "", true
	j.afterInstall(context.Background())
	want := []string{"systemctl daemon-reload", "systemd-tmpfiles --create /etc/tmpfiles.d/mdserver.conf"}
	if !slices.Equal(h.ran, want) {
		t.Errorf("ran %q, want %q", h.ran, want)
	}

	j.Run = func(context.Context, string, ...string) error { return errors.New("systemctl: no bus") }
	j.afterInstall(context.Background())
	last := j.report.Changes[len(j.report.Changes)-1]
	if last.Action != Failed || last.Note != "systemctl: no bus" {
		t.Errorf("reported %v", last)
	}
}

func TestExecTellsWhatTheProgramSaid(t *testing.T) {
	for script, want := range map[string]string{
		"echo no room >&2; exit 3": "sh: exit status 3: no room",
		"echo; exit 3":             "sh: exit status 3",
		"echo fine":                "<nil>",
	} {
		if err := Exec(context.Background(), "sh", "-c", script); fmt.Sprint(err) != want {
			t.Errorf("%s: %v, want %s", script, err, want)
		}
	}
}

// A dry run says what root would do, whoever asks.
func TestDryRunOfAccounts(t *testing.T) {
	h := newHost(t)
	h.write("/etc/passwd", rootOnly)
	h.opts.DryRun = true
	j := h.job(1000)
	if err := j.ensureAccounts(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := []Change{{Created, "user mdserver", "a system user without a shell"}, {Created, "user mdserver-dnsmasq", "a system user without a shell"}}
	if len(h.ran) > 0 || !slices.Equal(j.report.Changes, want) {
		t.Errorf("ran %q, reported %v", h.ran, j.report.Changes)
	}
}
