package process

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/launcher"
	"mdserver/internal/logtest"
)

// serveLauncher runs a launcher, as the user of the test, until the end of the test.
func serveLauncher(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "socket")
	l, err := launcher.Listen(socket)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		(&launcher.Server{Client: uint32(os.Getuid()), Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	})
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	return socket
}

// brokenLauncher is the socket of a launcher that has ended.
func brokenLauncher(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "socket")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	must(t, err)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
	return socket
}

// is reports whether dnsmasq is started by a method of host.
func (s starter) is(method starter) bool {
	return s != nil && reflect.ValueOf(s).Pointer() == reflect.ValueOf(method).Pointer()
}

func TestStarter(t *testing.T) {
	const root, server, user = 0, 7001, 7002
	open, closed := t.TempDir(), t.TempDir()
	for dir := open; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o001 == 0 {
			must(t, os.Chmod(dir, 0o755))
		}
	}
	must(t, os.Chmod(closed, 0o700))
	running := serveLauncher(t)
	self := uint32(os.Geteuid())
	broken, missing := brokenLauncher(t), filepath.Join(t.TempDir(), "socket")
	for name, tt := range map[string]struct {
		uid      uint32
		account  *files.Account
		dir      string
		launcher string
		must     bool
		want     func(host) starter
		text     string // of the warning or of the error
	}{
		"root without a user":       {root, nil, open, "", false, nil, "`mdserver install` creates the user"},
		"server without a user":     {server, nil, open, "", false, func(h host) starter { return h.asServer }, `no user "dns"`},
		"root's own user":           {root, named("root", root), open, "", false, func(h host) starter { return h.asServer }, "as configured"},
		"the server's user":         {server, named("srv", server), open, "", false, func(h host) starter { return h.asServer }, "as configured"},
		"root":                      {root, named("dns", user), open, "", false, func(h host) starter { return h.asAccount }, ""},
		"root, closed directory":    {root, named("dns", user), closed, "", false, func(h host) starter { return h.asServer }, "cannot enter " + closed},
		"server without a launcher": {server, named("dns", user), open, "", false, func(h host) starter { return h.asServer }, "mdserver-launcher.service does not run"},
		"launcher that is gone":     {server, named("dns", user), open, "/nonexistent/socket", true, nil, fs.ErrNotExist.Error()},
		"launcher does not answer":  {server, named("dns", user), open, missing, true, nil, "launcher"},
		"launcher has hung up":      {server, named("dns", user), open, broken, false, nil, "refused"},
		"launcher has never run":    {server, named("dns", user), open, missing, false, func(h host) starter { return h.asServer }, "does not run"},
		"launcher of another user":  {server, named("dns", self+1), open, running, false, nil, "not as dns"},
		"launcher":                  {self + 1, named("dns", self), open, running, true, func(h host) starter { return h.byLauncher }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			place := files.Place{Account: tt.account}
			place.User, place.BaseDir, place.Launcher = "dns", tt.dir, tt.launcher
			h := host{place, tt.uid}
			start, warning, err := h.starter(tt.must)
			if tt.want == nil {
				if err == nil || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %v, want %q", err, tt.text)
				}
				return
			}
			must(t, err)
			if !start.is(tt.want(h)) {
				t.Error("dnsmasq is started in another way")
			}
			if !strings.Contains(warning, tt.text) || (warning == "") != (tt.text == "") {
				t.Errorf("warning %q, want %q", warning, tt.text)
			}
		})
	}
}

// runToEnd starts a stand-in that ends by itself, and returns what it writes.
func runToEnd(t *testing.T, start starter, args ...string) string {
	t.Helper()
	var out logtest.Buffer
	p, err := start(args, &out)
	must(t, err)
	if p.Pid() <= 1 {
		t.Errorf("process %d", p.Pid())
	}
	var exit interface{ ExitCode() int }
	if err := p.Wait(); err == nil {
		t.Error("it ended without an error")
	} else if errors.As(err, &exit) && exit.ExitCode() != 2 {
		t.Errorf("it ended by %v", err)
	}
	return out.String()
}

func TestAsServer(t *testing.T) {
	place := newPlace(t, "say good", "end")
	if got := runToEnd(t, newHost(place).asServer, "--conf-file="+place.ConfigFile()); got != "good\n" {
		t.Errorf("output %q", got)
	}
}

func TestByLauncher(t *testing.T) {
	place := newPlace(t, "say good", "end")
	place.Launcher = serveLauncher(t)
	if got := runToEnd(t, newHost(place).byLauncher, "--conf-file="+place.ConfigFile()); got != "good\n" {
		t.Errorf("output %q", got)
	}
	place.Binary = "no-such-dnsmasq"
	if _, err := newHost(place).byLauncher(nil, io.Discard); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	place.Binary, place.Launcher = "sh", "/nonexistent/socket"
	if _, err := newHost(place).byLauncher(nil, io.Discard); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// A Ctrl-C for mdserver goes to the whole process group of the terminal.
func TestProcessGroup(t *testing.T) {
	place := newPlace(t)
	p, err := newHost(place).asServer([]string{"--conf-file=" + place.ConfigFile()}, io.Discard)
	must(t, err)
	group, err := syscall.Getpgid(p.Pid())
	if err != nil || group != p.Pid() {
		t.Errorf("group %d of process %d, %v", group, p.Pid(), err)
	}
	must(t, p.Signal(syscall.SIGKILL))
	_ = p.Wait()
	if err := p.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal after the end comes to %v", err)
	}
}

// The other user may not run a program in a directory of the test's. Who is not root
// may start nothing as another user.
func TestAsAccount(t *testing.T) {
	place := newPlace(t, "end")
	place.Account = named("other", uint32(os.Geteuid())+1)
	_, err := newHost(place).asAccount([]string{"--conf-file=" + place.ConfigFile()}, io.Discard)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
}

// A helper of dnsmasq's that holds its output does not hold up the end.
func TestOutputIsHeldOpen(t *testing.T) {
	t.Parallel()
	for name, launch := range map[string]func(host) starter{
		"child":       func(h host) starter { return h.asServer },
		"by launcher": func(h host) starter { return h.byLauncher },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place := newPlace(t)
			place.Launcher = serveLauncher(t)
			place.Binary = "sh"
			p, err := launch(newHost(place))([]string{"-c", "sleep 20 & exit 2"}, io.Discard)
			must(t, err)
			began := time.Now()
			if err := p.Wait(); err == nil {
				t.Error("it ended without an error")
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("the end took %v", took)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	good, refused := newPlace(t, "end"), newPlace(t, "refuse bad option at line 1")
	missing := newPlace(t)
	missing.Binary = "/nonexistent/dnsmasq"
	for name, tt := range map[string]struct {
		place files.Place
		want  string
	}{
		"good":    {good, ""},
		"refused": {refused, "dnsmasq refuses its configuration: dnsmasq: bad option at line 1: exit status 1"},
		"missing": {missing, "dnsmasq is not installed"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, check := range []func(context.Context, files.Place, string) error{Check, CheckAsServer} {
				err := check(t.Context(), tt.place, tt.place.ConfigFile())
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
			}
		})
	}
	good.Account, good.Launcher = named("other", uint32(os.Geteuid())+1), brokenLauncher(t)
	must(t, os.Chmod(filepath.Dir(filepath.Dir(good.BaseDir)), 0o755))
	if err := Check(t.Context(), good, good.ConfigFile()); err == nil {
		t.Error("a file was checked as a user who cannot read it")
	}
}

// A check that does not end is killed.
func TestCheckThatHangs(t *testing.T) {
	in(t, func(t *testing.T, place files.Place) {
		r := always(life{})
		began := time.Now()
		err := newHost(place).check(t.Context(), func(args []string, output io.Writer) (running, error) {
			return r.start([]string{"hang"}, output)
		}, place.ConfigFile())
		if err == nil || time.Since(began) != checkTimeout {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
		r.wantSignals(t, sent{1, syscall.SIGKILL, checkTimeout})
		synctest.Wait()
	})
}
