package dnsmasq

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"mdserver/internal/launcher"
)

// logDrain is the time for the output of a dnsmasq whose TCP helpers live on.
const logDrain = time.Second

// running is a dnsmasq that was started.
type running interface {
	Pid() int
	Signal(os.Signal) error
	Wait() error // must be called once
}

// starter starts dnsmasq with arguments; what it says goes to output.
type starter func(args []string, output io.Writer) (running, error)

// starter chooses the user for dnsmasq, and how dnsmasq is started. The text says
// why dnsmasq has no user of its own, if it has none. mustLaunch refuses to start
// it as the server's user.
func (s host) starter(mustLaunch bool) (starter, string, error) {
	own := uint32(os.Geteuid())
	switch {
	case s.Account == nil && own == 0:
		return nil, "", fmt.Errorf("there is no user %q for dnsmasq; `mdserver install` creates the user mdserver-dnsmasq", s.User)
	case s.Account == nil:
		return s.asServer, s.sharedUser(fmt.Sprintf("there is no user %q", s.User)), nil
	case s.Account.UID == own:
		return s.asServer, s.sharedUser("as configured by user in [dnsmasq]"), nil
	}
	if err := s.Account.Reaches(s.BaseDir); err != nil {
		return s.asServer, s.sharedUser(err.Error()), nil
	}
	if own == 0 {
		return s.asAccount, "", nil
	}
	err := s.launcherReady()
	if err == nil {
		return s.byLauncher, "", nil
	}
	if mustLaunch || !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	return s.asServer, s.sharedUser("mdserver-launcher.service does not run"), nil
}

func (s host) sharedUser(why string) string {
	return "dnsmasq runs as the server's user and can read its files: " + why
}

// launcherReady reports whether the launcher can start dnsmasq as its user. The
// error is fs.ErrNotExist if this host has none.
func (s host) launcherReady() error {
	if _, err := os.Stat(filepath.Dir(s.Launcher)); s.Launcher == "" || err != nil {
		return fs.ErrNotExist
	}
	uid, err := launcher.Socket(s.Launcher).User()
	if err == nil && uid != s.Account.UID {
		err = fmt.Errorf("the launcher at %s runs as user %d, not as %s", s.Launcher, uid, s.Account.Name)
	}
	return err
}

// local is a child of this process.
type local struct{ *exec.Cmd }

func (l local) Pid() int                   { return l.Process.Pid }
func (l local) Signal(sig os.Signal) error { return l.Process.Signal(sig) }

// asServer starts dnsmasq as the server's user, with the capabilities of the
// server.
func (s host) asServer(args []string, output io.Writer) (running, error) {
	attr := &syscall.SysProcAttr{}
	if os.Geteuid() != 0 {
		attr.AmbientCaps = heldCapabilities()
	}
	return s.start(attr, args, output)
}

// asAccount has root start dnsmasq as its user: without groups, and with the
// capabilities that it needs and no others.
func (s host) asAccount(args []string, output io.Writer) (running, error) {
	return s.start(&syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: s.Account.UID, Gid: s.Account.GID},
		AmbientCaps: heldCapabilities(),
	}, args, output)
}

// start starts a child. It gets a process group of its own, so that a Ctrl-C
// meant for mdserver does not end it first.
func (s host) start(attr *syscall.SysProcAttr, args []string, output io.Writer) (running, error) {
	cmd := exec.Command(s.Binary, args...)
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = logDrain
	cmd.SysProcAttr = attr
	attr.Setpgid = true
	return local{cmd}, cmd.Start()
}

// environment has dnsmasq speak the language that its log is sorted by, and
// tells it nothing of the server's.
func environment() []string { return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} }

// launched was started by the launcher.
type launched struct {
	*launcher.Process
	copied <-chan error
	output *os.File
}

func (l launched) Pid() int { return l.PID }

func (l launched) Wait() error {
	err := l.Process.Wait()
	select {
	case <-l.copied:
	case <-time.After(logDrain):
	}
	_ = l.output.Close() // which ends the copying
	return err
}

// byLauncher has the launcher start dnsmasq as its user.
func (s host) byLauncher(args []string, output io.Writer) (running, error) {
	binary, err := exec.LookPath(s.Binary)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	process, err := launcher.Socket(s.Launcher).Start(append([]string{binary}, args...), w)
	_ = w.Close() // the launcher has it
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(output, r)
		copied <- err
	}()
	return launched{process, copied, r}, nil
}
