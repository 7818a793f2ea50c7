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
)

const (
	rootOnly     = "root:x:0:0:root:/root:/bin/sh\n"
	dnsmasqThere = rootOnly + "mdserver-dnsmasq:x:991:991::/:/bin/false\n"
	dnsmasqGroup = "root:x:0:\nmdserver-dnsmasq:x:991:\n"
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
		{"both", dnsmasqThere + "mdserver:x:990:990::/:/bin/false\n", dnsmasqGroup + "mdserver:x:990:\n", ""},
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
				if len(h.ran) > 0 || j.account != (account{990, 990}) || j.dnsmasq != (account{991, 991}) {
					t.Errorf("ran %q, found %v and %v", h.ran, j.account, j.dnsmasq)
				}
				return
			}
			tool, option, _ := strings.Cut(test.want, " …")
			if len(h.ran) != 1 || !strings.HasPrefix(h.ran[0], tool+" --system ") || !strings.Contains(h.ran[0], option) ||
				!strings.HasSuffix(h.ran[0], " --prefix "+h.opts.Root+" mdserver") {
				t.Errorf("ran %q, want %s", h.ran, test.want)
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
	h.t.Cleanup(j.tree.close)
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
	for name, want := range map[string]struct {
		uid, gid int
		mode     fs.FileMode
	}{
		"/var/lib/mdserver":                           {server, server, fs.ModeDir | 0o751},
		"/var/lib/mdserver/db_file.json":              {server, server, 0o640},
		"/var/lib/mdserver/link":                      {server, server, fs.ModeSymlink | 0o777},
		"/var/lib/mdserver/dnsmasq":                   {server, dnsmasq, fs.ModeDir | fs.ModeSetgid | 0o750},
		"/var/lib/mdserver/dnsmasq/dns":               {server, dnsmasq, fs.ModeDir | fs.ModeSetgid | 0o750},
		"/var/lib/mdserver/dnsmasq/dns/mds.dns-hosts": {server, dnsmasq, 0o644},
		"/outside": {other, os.Getgid(), 0o644},
	} {
		info, err := os.Lstat(h.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if !ownedBy(info, want.uid, want.gid) || info.Mode() != want.mode {
			t.Errorf("%s: owner %+v, mode %v, want %+v", name, info.Sys().(*syscall.Stat_t).Uid, info.Mode(), want)
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
	err := Exec(context.Background(), "sh", "-c", "echo no room >&2; exit 3")
	if err == nil || err.Error() != "sh: exit status 3: no room" {
		t.Errorf("error %v", err)
	}
}
