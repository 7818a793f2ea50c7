package dnsmasq

import (
	"context"
	"fmt"
	"io/fs"
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
	"mdserver/internal/launcher"
)

const (
	nobody     = 65534
	serverUser = 65533 // of no account
	netCaps    = "0000000000003400"
)

// procStatus reads some lines of /proc/<pid>/status.
func procStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.Join(strings.Fields(value), " ")
	}
	return fields
}

func wantNobody(t *testing.T, pid int) {
	t.Helper()
	status := procStatus(t, pid)
	for field, want := range map[string]string{
		"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "",
		"CapPrm": netCaps, "CapEff": netCaps, "CapAmb": netCaps,
	} {
		if status[field] != want {
			t.Errorf("%s of dnsmasq is %q, want %q", field, status[field], want)
		}
	}
}

// Started by root, dnsmasq has a user of its own from its first instruction on,
// and owns nothing but its pid-file.
func TestRootStartsItAsItsUser(t *testing.T) {
	l := newLab(t)
	l.User = "nobody"
	for _, dir := range []string{l.BaseDir, l.RunDir} { // as an earlier version left them
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.Chown(dir, nobody, nobody))
	}
	guest := newGuest(1, "web1")
	s := l.start(guest)
	l.wantServed(guest)
	wantNobody(t, s.Status().PID)
	if w := s.Status().Warning; w != "" {
		t.Error(w)
	}
	for _, dir := range []string{l.BaseDir, l.RunDir} {
		must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			must(t, err)
			info, err := entry.Info()
			must(t, err)
			if strings.HasPrefix(path, l.PIDDir()) {
				return nil // its own
			}
			if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 || info.Mode().Perm()&0o022 != 0 {
				t.Errorf("%s belongs to %d, mode %v", path, owner, info.Mode())
			}
			return nil
		}))
	}
	pid, err := os.ReadFile(l.PIDFile())
	if err != nil || strings.TrimSpace(string(pid)) != fmt.Sprint(s.Status().PID) {
		t.Errorf("the pid-file says %q, %v", pid, err)
	}
}

func TestUnknownUserIsRefusedToRoot(t *testing.T) {
	l := newLab(t)
	l.User = "mdserver-does-not-exist"
	if st := l.start().Status(); st.PID != 0 || !strings.Contains(st.LastError, `no user "mdserver-does-not-exist"`) {
		t.Errorf("status is %+v", st)
	}
}

// asServerUser prepares a lab for a server that is not root.
func (l *lab) asServerUser() *syscall.SysProcAttr {
	l.t.Helper()
	l.User = "nobody"
	for _, dir := range []string{l.BaseDir, l.RunDir} {
		must(l.t, os.MkdirAll(dir, 0o755))
		must(l.t, os.Chown(dir, serverUser, serverUser))
	}
	return &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: serverUser, Gid: serverUser},
		AmbientCaps: []uintptr{10, 12, 13},
	}
}

// runLauncher runs a launcher as nobody.
func (l *lab) runLauncher() *exec.Cmd {
	l.t.Helper()
	dir := filepath.Join(filepath.Dir(l.BaseDir), "launcher")
	must(l.t, os.MkdirAll(dir, 0o755))
	must(l.t, os.Chown(dir, nobody, nobody))
	l.Launcher = filepath.Join(dir, "socket")
	cmd := exec.Command(selfCopy(l))
	cmd.Env = append(os.Environ(), launcherJob+"="+l.Launcher)
	cmd.Stderr = l.log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: []uintptr{10, 12, 13},
	}
	must(l.t, cmd.Start())
	l.t.Cleanup(func() { kill(cmd) })
	l.eventually("the launcher answers", func() bool {
		uid, err := launcher.Socket(l.Launcher).User()
		return err == nil && uid == nobody
	})
	return cmd
}

const launcherJob = "MDSERVER_TEST_LAUNCHER"

func init() {
	socket := os.Getenv(launcherJob)
	if socket == "" {
		return
	}
	l, err := launcher.Listen(socket)
	if err == nil {
		server := launcher.Server{Client: serverUser, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
		server.Serve(context.Background(), l)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A server without any right to change users has the launcher start dnsmasq as
// another user; dnsmasq ends with either of them, and comes back.
func TestLauncherStartsItAsItsUser(t *testing.T) {
	l := newLab(t)
	attr := l.asServerUser()
	first := l.runLauncher()
	guest := newGuest(1, "web1")
	server, stop, pid := l.runHelper(attr, guest)
	l.wantServed(guest)
	wantNobody(t, pid)
	if got := procStatus(t, server.Process.Pid)["CapEff"]; got != netCaps {
		t.Errorf("the server holds %s", got)
	}

	kill(first)
	l.eventually("dnsmasq ends with the launcher", func() bool { return !lives(pid) })
	l.runLauncher()
	l.eventually("another launcher starts it again", func() bool { return l.childOf(nobody) != 0 })
	next := l.childOf(nobody)
	l.eventually("it serves", func() bool { return l.leased(guest) == guest.IPv4.String() })
	wantNobody(t, next)

	must(t, stop.Close())
	must(t, server.Wait())
	if lives(next) {
		t.Error("dnsmasq outlives the server")
	}
}

// A dnsmasq that hangs is replaced by way of the launcher, and a launcher that
// hangs does not keep the server from ending.
func TestLauncherAndHungProcesses(t *testing.T) {
	l := newLab(t)
	attr := l.asServerUser()
	launching := l.runLauncher()
	guest := newGuest(1, "web1")
	server, stop, hung := l.runHelper(attr, guest)
	must(t, syscall.Kill(hung, syscall.SIGSTOP))
	l.eventually("another dnsmasq runs", func() bool { pid := l.childOf(nobody); return pid != 0 && pid != hung })
	l.eventually("it serves", func() bool { return l.leased(guest) == guest.IPv4.String() })

	must(t, launching.Process.Signal(syscall.SIGSTOP))
	must(t, stop.Close())
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Error("the server does not end")
	}
}

// A server that is killed leaves no dnsmasq behind that it could not signal.
func TestLauncherFollowsKilledServer(t *testing.T) {
	l := newLab(t)
	attr := l.asServerUser()
	l.runLauncher()
	server, _, pid := l.runHelper(attr, newGuest(1, "web1"))
	kill(server)
	l.eventually("dnsmasq ends", func() bool { return !lives(pid) })
	guest := newGuest(2, "web2")
	_, _, next := l.runHelper(attr, guest)
	l.wantServed(guest)
	wantNobody(t, next)
}

// Once dnsmasq had its own user, it never gets the server's: whoever took it
// over could otherwise end the launcher to become the server.
func TestNoLauncherNoServerUser(t *testing.T) {
	l := newLab(t)
	attr := l.asServerUser()
	first := l.runLauncher()
	_, _, pid := l.runHelper(attr, newGuest(1, "web1"))
	must(t, os.RemoveAll(filepath.Dir(l.Launcher)))
	kill(first)
	l.eventually("dnsmasq ends with the launcher", func() bool { return !lives(pid) })
	for range 10 {
		if other := l.childOf(serverUser); other != 0 {
			t.Fatalf("dnsmasq, process %d, runs as the server's user", other)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Only the server's user is obeyed.
func TestLauncherRefusesOthers(t *testing.T) {
	l := newLab(t)
	l.runLauncher()
	for uid, obeyed := range map[uint32]bool{serverUser: true, serverUser - 1: false, nobody: false} {
		cmd := exec.Command(selfCopy(l))
		cmd.Env = append(os.Environ(), strangerJob+"="+l.Launcher)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		// A stranger may see the connection closed before it reads why.
		if out, err := cmd.CombinedOutput(); err != nil || (string(out) == "<nil>\n") != obeyed {
			t.Errorf("user %d gets %q, %v, is it obeyed: want %v", uid, out, err, obeyed)
		}
	}
}

const strangerJob = "MDSERVER_TEST_STRANGER"

func init() {
	if socket := os.Getenv(strangerJob); socket != "" {
		p, err := launcher.Socket(socket).Start([]string{"true"}, nil)
		if err == nil {
			err = p.Wait()
		}
		fmt.Println(err)
		os.Exit(0)
	}
}

// childOf is a dnsmasq of this lab that runs as a user, or 0.
func (l *lab) childOf(uid uint32) int {
	procs, err := os.ReadDir("/proc")
	must(l.t, err)
	for _, proc := range procs {
		var pid int
		if _, err := fmt.Sscan(proc.Name(), &pid); err != nil || !lives(pid) {
			continue
		}
		info, err := os.Stat(filepath.Join("/proc", proc.Name()))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uid {
			continue
		}
		args, err := os.ReadFile(filepath.Join("/proc", proc.Name(), "cmdline"))
		if err == nil && strings.Contains(string(args), content.ChildRecord) && strings.Contains(string(args), l.ConfigFile()) {
			return pid
		}
	}
	return 0
}

// Without a user of its own dnsmasq goes on serving, and the status says so.
func TestServerUserIsAWarning(t *testing.T) {
	l := newLab(t)
	l.User = "root"
	guest := newGuest(1, "web1")
	s := l.start(guest)
	l.wantServed(guest)
	if w := s.Status().Warning; !strings.Contains(w, "the server's user") {
		t.Errorf("warning %q", w)
	}
}

// Another user in the configuration takes a reload, no restart.
func TestUserChanges(t *testing.T) {
	l := newLab(t)
	l.User = "root"
	guest := newGuest(1, "web1")
	s := l.start(guest)
	settings := l.Settings
	settings.User = "nobody"
	must(t, s.Reconfigure(t.Context(), settings, []instance.Instance{guest}))
	l.wantServed(guest)
	wantNobody(t, s.Status().PID)
	if w := s.Status().Warning; w != "" {
		t.Error(w)
	}
}
