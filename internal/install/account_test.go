package install

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const rootOnly = "root:x:0:0:root:/root:/bin/sh\n"

func TestAccountIsCreated(t *testing.T) {
	tests := []struct {
		name   string
		passwd string
		group  string
		want   string // the command, without the arguments that are always there
	}{
		{"neither", rootOnly, "root:x:0:\n", "useradd … --user-group"},
		{"only the group", rootOnly, "mdserver:x:990:\n", "useradd … --gid mdserver"},
		{"only the user", rootOnly + "mdserver:x:990:990::/:/bin/false\n", "root:x:0:\n", "groupadd …"},
		{"both", rootOnly + "mdserver:x:990:990::/:/bin/false\n", "mdserver:x:990:\n", ""},
		{"a name that only begins so", rootOnly + "mdserver2:x:990:990::/:/bin/false\n", "mdserver2:x:990:\n", "useradd … --user-group"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.write("/etc/passwd", test.passwd)
			h.write("/etc/group", test.group)
			j := h.job(0)
			if err := j.ensureAccount(context.Background()); err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if len(h.ran) > 0 || j.account != (account{990, 990}) {
					t.Errorf("ran %q, found %v", h.ran, j.account)
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
		{"as asked", 0, func(h *host) { h.write("/etc/passwd", rootOnly); h.opts.NoUser = true }, "as you asked"},
		{"by an ordinary user", 1000, func(h *host) { h.write("/etc/passwd", rootOnly) }, "only root"},
		{"in a tree without accounts", 0, func(*host) {}, "there is no /etc/passwd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			test.set(h)
			j := h.job(test.uid)
			if err := j.ensureAccount(context.Background()); err != nil {
				t.Fatal(err)
			}
			if len(h.ran) > 0 || len(j.report.Changes) != 1 || !strings.Contains(j.report.Changes[0].Note, test.note) {
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

// Files that the original wrote as root become those of mdserver's user, so
// far as nobody else may have them under another name.
func TestStateIsTakenOver(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 54321, 54322
	}
	h := newHost(t)
	h.write("/var/lib/mdserver/db_file.json", "[]\n")
	h.write("/var/lib/mdserver/dnsmasq/dns/mds.dns-hosts", "\n")
	h.write("/outside", "\n")
	h.symlink("/outside", "/var/lib/mdserver/link")
	if err := os.Link(h.path("/outside"), h.path("/var/lib/mdserver/hard")); err != nil {
		t.Fatal(err)
	}
	j := h.job(0)
	j.account = account{uid, gid}
	if err := j.takeOverState(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"/var/lib/mdserver": true, "/var/lib/mdserver/db_file.json": true, "/var/lib/mdserver/link": true,
		"/var/lib/mdserver/dnsmasq/dns/mds.dns-hosts": true, "/outside": os.Getuid() != 0,
	} {
		info, err := os.Lstat(h.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if got := ownedBy(info, uid, gid); got != want {
			t.Errorf("%s: taken over: %v, owner %d", name, got, info.Sys().(*syscall.Stat_t).Uid)
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
