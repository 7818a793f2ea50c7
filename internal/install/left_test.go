package install

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/libvirt/network"
	"mdserver/internal/roottest"
)

// What Uninstall leaves can be purged later, with the users that Install made.
func TestPurgeAfterUninstall(t *testing.T) {
	s := newStartable(t)
	s.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
	s.write("/etc/group", "root:x:0:\nlibvirt:x:110:\n")
	s.start(Start{Network: "default"})
	s.write("/var/lib/mdserver/mdserver.db", "data\n")
	if _, ran := s.stop(false); slices.Contains(ran, "userdel mdserver") {
		t.Errorf("without a purge: %q", ran)
	}
	if info, err := os.Stat(s.path(leftRecord)); err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	_, ran := s.stop(true)
	if got := slices.Sorted(maps.Keys(s.files())); !slices.Equal(got, []string{"/etc/group", "/etc/passwd"}) {
		t.Errorf("left\n%s", strings.Join(got, "\n"))
	}
	wantCommands(t, ran, "userdel mdserver", "userdel mdserver-dnsmasq")
}

// Below --root, no user of this host goes, now or later.
func TestPurgeBelowRoot(t *testing.T) {
	for _, later := range []bool{false, true} {
		h := newHost(t)
		h.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
		h.write("/etc/group", "root:x:0:\n")
		h.opts.UID = 0 // which makes users, here by word only
		h.install()
		if !slices.ContainsFunc(h.ran, func(line string) bool { return strings.HasPrefix(line, "useradd ") }) {
			t.Fatalf("no user was made: %q", h.ran)
		}
		h.ran, h.opts.UID = nil, os.Geteuid()
		if later {
			h.uninstall()
		}
		h.opts.Purge = true
		h.uninstall()
		if len(h.ran) > 0 {
			t.Errorf("ran %q", h.ran)
		}
	}
}

// An installation goes on where the one before ended.
func TestInstallAfterUninstall(t *testing.T) {
	h := newHost(t)
	h.install()
	h.remove(userdataDir + "/base.yaml")
	h.uninstall()
	report := h.install()
	wantAction(t, report, userdataDir+"/base.yaml", Skipped)
	wantAction(t, report, etcDir+"/mdserver.conf", Unchanged)
	if _, err := os.Stat(h.path(leftRecord)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", leftRecord, err)
	}
}

func TestPurgeAfterUninstallIsRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		host   func(t *testing.T) *host
		change func(h *host)
		want   string
	}{
		{"an upgraded host", originalHost, func(*host) {}, "upgraded from the Python mdserver"},
		{"another prefix", newHost, func(h *host) { h.opts.Prefix = "/usr" }, "nothing is installed with the prefix /usr"},
		{"a record that others can write", newHost, func(h *host) { _ = os.Chmod(h.path(leftRecord), 0o660) }, "only root can write"},
		{"a record of another user", newHost, func(h *host) { h.give(leftRecord, 12345) }, "only root can write"},
		{"a link for a record", newHost, func(h *host) { h.remove(leftRecord); h.symlink("mdserver.conf", leftRecord) }, "only root can write"},
		{"a record that is none", newHost, func(h *host) { h.write(leftRecord, "{") }, leftRecord},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := test.host(t)
			h.install()
			h.uninstall()
			test.change(h)
			before := slices.Sorted(maps.Keys(h.files()))
			h.opts.Purge = true
			if _, err := Uninstall(context.Background(), h.opts); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if after := slices.Sorted(maps.Keys(h.files())); !slices.Equal(after, before) {
				t.Errorf("left %q of %q", after, before)
			}
		})
	}
}

// A configuration that the administrator has removed does not come back.
func TestUninstallWithoutConfiguration(t *testing.T) {
	h := newHost(t)
	h.install()
	if err := os.RemoveAll(h.path(etcDir)); err != nil {
		t.Fatal(err)
	}
	h.uninstall()
	if _, err := os.Stat(h.path(etcDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", etcDir, err)
	}
}

// A purge removes the logs that logrotate has made from the server's.
func TestPurgeOfLogs(t *testing.T) {
	h := newHost(t)
	h.install()
	for _, name := range []string{"", ".1", ".2.gz", "-20261130", "-20261123.gz", "book", "s/other"} {
		h.write(logFile+name, "line\n")
	}
	h.opts.Purge = true
	h.uninstall()
	if got, want := slices.Sorted(maps.Keys(h.files())), []string{logFile + "book", logFile + "s/other"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// A purge removes all directories of the program, even if the name of one begins like
// that of the state directory.
func TestUninstallOfPrefixLikeState(t *testing.T) {
	h := newHost(t)
	h.opts.Prefix = stateDir + "-program"
	h.install()
	h.uninstall()
	if _, err := os.Stat(h.path(h.opts.Prefix + "/bin")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", h.opts.Prefix+"/bin", err)
	}
	if _, err := os.Stat(h.path(stateDir)); err != nil {
		t.Error(err)
	}
}

// give gives a file to another user.
func (h *host) give(name string, uid int) {
	h.t.Helper()
	roottest.Need(h.t, "gives a file to another user")
	if err := os.Chown(h.path(name), uid, uid); err != nil {
		h.t.Fatal(err)
	}
}

// A network that guests use is stopped by a later purge.
func TestPurgeStopsTheNetworkLater(t *testing.T) {
	const ports = "virsh --connect qemu:///system net-port-list --uuid mds"
	s := newStartable(t)
	s.start(Start{Network: "mds"})
	s.answers[ports] = "7e5a544d-d555-4133-a443-8229415c0001\n"
	s.stop(false)
	s.answers[ports] = "\n"
	_, ran := s.stop(true)
	if !slices.Contains(ran, "virsh --connect qemu:///system net-destroy mds") {
		t.Errorf("ran %q", ran)
	}
}

func TestUninstallWithdrawsEntries(t *testing.T) {
	const command = "virsh net-update lan delete dns-host x --live"
	var asked [][]string
	found := []network.Withdrawal{
		{Network: "default", Removed: 2},
		{Network: "lan", Removed: 1, Problems: []string{"libvirt refuses x"}, Commands: []string{command}},
	}
	s := newStartable(t)
	s.opts.Withdraw = func(_ context.Context, cfg *config.Config, except []string) ([]network.Withdrawal, error) {
		if cfg.Server.Database != "/var/lib/mdserver/mdserver.db" {
			t.Errorf("the database is %s", cfg.Server.Database)
		}
		asked = append(asked, slices.Clone(except))
		return found, nil
	}
	s.start(Start{Network: "default"})
	report, _ := s.stop(false)
	wantAction(t, report, "entries in libvirt's network default", Removed)
	wantAction(t, report, "entries in libvirt's network lan", Removed)
	if !slices.Contains(report.Changes, Change{Failed, "entries in libvirt's network lan", "libvirt refuses x"}) {
		t.Errorf("nothing is said of what is left: %v", report.Changes)
	}
	if !slices.ContainsFunc(report.Next, func(f Finding) bool { return slices.Equal(f.Commands, []string{command}) }) {
		t.Errorf("no command for what is left: %v", report.Next)
	}

	found = nil
	s.stop(true) // tries again where entries are left
	s.start(Start{Network: "default"})
	s.stop(false) // after a new installation everywhere
	if want := [][]string{nil, {"default"}, nil}; !slices.EqualFunc(asked, want, slices.Equal) {
		t.Errorf("networks left out: %q, want %q", asked, want)
	}
}

// The entries of this host stay if only a tree is worked on, in a dry run, or if
// the database cannot be read.
func TestUninstallKeepsEntries(t *testing.T) {
	for _, test := range []struct {
		name  string
		set   func(*job)
		calls int
		want  Action
	}{
		{"another root", func(j *job) { j.Root = "/tree" }, 0, ""},
		{"dry run", func(j *job) { j.DryRun = true }, 0, Removed},
		{"no database", func(*job) {}, 1, Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			s := newStartable(t)
			s.opts.Withdraw = func(context.Context, *config.Config, []string) ([]network.Withdrawal, error) {
				calls++
				return nil, errors.New("another mdserver is using it")
			}
			s.start(Start{Network: "default"})
			j := s.job()
			test.set(j)
			if err := j.uninstall(context.Background()); err != nil {
				t.Fatal(err)
			}
			if calls != test.calls {
				t.Errorf("called %d times, want %d", calls, test.calls)
			}
			wantAction(t, j.report, "entries in libvirt's networks", test.want)
		})
	}
}
