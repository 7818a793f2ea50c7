package dnsmasq

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
)

func TestKilledChildComesBack(t *testing.T) {
	l := newLab(t)
	guest, later := newGuest(1, "web1"), newGuest(2, "web2")
	s := l.start(guest)
	first := s.Status().PID
	must(t, syscall.Kill(first, syscall.SIGKILL))
	must(t, s.Apply(t.Context(), added(later)))
	l.wantServed(guest)
	l.wantServed(later)
	must(t, s.Apply(t.Context(), removed(later)))
	l.wantGone(later)
	if st := s.Status(); st.PID == first || st.Restarts != 1 || st.LastError != "" {
		t.Errorf("status is %+v", st)
	}
}

func TestKilledParentLeavesNoTrouble(t *testing.T) {
	l := newLab(t)
	guest := newGuest(1, "web1")
	helper, _, orphan := l.runHelper(nil, guest)
	kill(helper)
	l.wantServed(guest) // the orphan serves on
	s := l.start(guest, newGuest(2, "web2"))
	l.wantServed(newGuest(2, "web2"))
	if st := s.Status(); st.PID == orphan || st.Mode != content.Child || !st.Live {
		t.Errorf("status is %+v, the orphan was %d", st, orphan)
	}
	if lives(orphan) {
		t.Error("the orphan still runs")
	}
}

func TestUnprivileged(t *testing.T) {
	l := newLab(t)
	for _, dir := range []string{l.BaseDir, l.RunDir} {
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.Chown(dir, 65534, 65534))
	}
	l.User = "mdserver-does-not-exist"
	guest := newGuest(1, "web1")
	helper, stop, pid := l.runHelper(&syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: []uintptr{10, 12, 13},
	}, guest)
	l.wantServed(guest)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	if !strings.Contains(string(status), "Uid:\t65534\t65534") {
		t.Errorf("dnsmasq runs as somebody else:\n%s", status)
	}
	must(t, stop.Close())
	must(t, helper.Wait())
}

func TestUserNobody(t *testing.T) {
	l := newLab(t)
	l.User = "nobody"
	guest, later := newGuest(1, "web1"), newGuest(2, "web2")
	s := l.start(guest)
	must(t, s.Apply(t.Context(), added(later)))
	l.wantServed(later)
	must(t, s.Apply(t.Context(), removed(guest)))
	l.wantGone(guest)
}

func TestExternal(t *testing.T) {
	l := newLab(t)
	l.Mode = content.External
	guest, later := newGuest(1, "web1"), newGuest(2, "web2")
	s := l.start(guest)
	began := time.Now()
	must(t, s.Apply(t.Context(), added(later)))
	if d := time.Since(began); d > time.Second {
		t.Errorf("waited %v for nobody", d)
	}
	if n := strings.Count(l.log.text(), "dnsmasq does not run"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	l.runDnsmasq("--conf-file="+l.ConfigFile(), "--keep-in-foreground")
	l.eventually("dnsmasq runs", func() bool { return s.Status().PID != 0 })
	third := newGuest(3, "web3")
	must(t, s.Apply(t.Context(), added(third)))
	for _, g := range []string{"web1", "web2", "web3"} {
		if l.lookup(g) == nil {
			t.Errorf("%s is unknown", g)
		}
	}
	l.wantServed(third)
	must(t, s.Apply(t.Context(), removed(third)))
	l.wantGone(third)
}

// TestOldUnitStillRuns has a dnsmasq with the Python mdserver's configuration.
func TestOldUnitStillRuns(t *testing.T) {
	l := newLab(t)
	for _, d := range []string{"dhcp", "dns"} {
		must(t, os.MkdirAll(filepath.Join(l.BaseDir, d), 0o755))
	}
	must(t, os.MkdirAll(l.RunDir, 0o755))
	must(t, os.WriteFile(l.OptionsFile(), nil, 0o644))
	conf := fmt.Sprintf("user=root\nleasefile-ro\nstrict-order\nexpand-hosts\npid-file=%s\nexcept-interface=lo\ninterface=br-mds\n"+
		"dhcp-range=10.122.0.1,static\ndhcp-no-override\ndhcp-lease-max=86400\ndhcp-hostsfile=%s/dhcp\ndhcp-optsfile=%s\nhostsdir=%s/dns\n",
		l.PIDFile(), l.BaseDir, l.OptionsFile(), l.BaseDir)
	must(t, os.WriteFile(l.ConfigFile(), []byte(conf), 0o644))
	old := l.runDnsmasq("--conf-file="+l.ConfigFile(), "--keep-in-foreground")
	l.eventually("the old one is up", func() bool { _, err := os.Stat(l.PIDFile()); return err == nil })
	guest, later := newGuest(1, "web1"), newGuest(2, "web2")
	s := l.start(guest)
	if st := s.Status(); st.Mode != content.External || st.PID != old.Process.Pid || !st.Live {
		t.Fatalf("status is %+v", st)
	}
	l.wantServed(guest)
	must(t, s.Apply(t.Context(), added(later)))
	l.wantServed(later)
	kill(old)
	l.eventually("mdserver starts its own", func() bool { return s.Status().Mode == content.Child && s.Status().PID != 0 })
	third := newGuest(3, "web3")
	must(t, s.Apply(t.Context(), added(third)))
	l.wantServed(third)
}

func TestBesideLibvirt(t *testing.T) {
	for _, first := range []string{"libvirt", "mdserver"} {
		t.Run(first, func(t *testing.T) {
			l := newLab(t)
			addBridge(t, "virbr0", "192.168.122.1/24")
			args := []string{"--conf-file=/dev/null", "--keep-in-foreground", "--bind-dynamic", "--interface=virbr0", "--except-interface=lo",
				"--user=root", "--dhcp-range=192.168.122.2,192.168.122.9", "--pid-file=" + filepath.Join(t.TempDir(), "x.pid"), "--leasefile-ro"}
			var other *exec.Cmd
			if first == "libvirt" {
				other = l.runDnsmasq(args...)
				time.Sleep(300 * time.Millisecond)
			}
			l.start(newGuest(1, "web1"))
			if other == nil {
				other = l.runDnsmasq(args...)
				time.Sleep(300 * time.Millisecond)
			}
			l.wantServed(newGuest(1, "web1"))
			if !lives(other.Process.Pid) {
				t.Error("the other dnsmasq ended")
			}
		})
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	l := newLab(t)
	s := New(l.Settings, slog.New(l.log))
	must(t, s.Start(t.Context(), nil))
	pid := s.Status().PID
	must(t, s.Close())
	if lives(pid) {
		t.Error("the child still runs")
	}
	if _, err := os.Stat(l.PIDFile()); err == nil {
		t.Error("the pid-file is still there")
	}
}

func TestBadBinary(t *testing.T) {
	l := newLab(t)
	l.Binary = "/nonexistent/dnsmasq"
	s := l.start()
	if st := s.Status(); st.Live || !strings.Contains(st.LastError, "not installed") {
		t.Errorf("status is %+v", st)
	}
}

func BenchmarkApplyNew(b *testing.B) {
	for _, n := range []int{1, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := newLab(b)
			s := New(l.Settings, slog.New(slog.DiscardHandler))
			must(b, s.Start(b.Context(), many(n)))
			defer s.Close()
			next := n + 1
			for b.Loop() {
				must(b, s.Apply(b.Context(), added(newGuest(next, fmt.Sprint("b", next)))))
				next++
			}
		})
	}
}

func many(n int) []instance.Instance {
	var all []instance.Instance
	for i := 1; i <= n; i++ {
		all = append(all, newGuest(i, fmt.Sprint("g", i)))
	}
	return all
}
