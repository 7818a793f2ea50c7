package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// logDrain is the time for the output of a dnsmasq whose TCP helpers live on.
const logDrain = time.Second

// running is a dnsmasq that was started.
type running interface {
	Pid() int
	Signal(os.Signal) error
	Wait() error // must be called once
}

// starter starts dnsmasq with arguments. What dnsmasq writes goes to output.
type starter func(args []string, output io.Writer) (running, error)

// starter chooses the user for dnsmasq, and how dnsmasq is started. The text says
// why dnsmasq has no user of its own, if it has none. With mustLaunch, a launcher
// that is gone is an error; without, dnsmasq then runs as the server's user.
func (h host) starter(mustLaunch bool) (starter, string, error) {
	switch {
	case h.Account == nil && h.uid == 0:
		return nil, "", fmt.Errorf("there is no user %q for dnsmasq; `mdserver install` creates the user mdserver-dnsmasq", h.User)
	case h.Account == nil:
		return h.asServer, h.sharedUser(fmt.Sprintf("there is no user %q", h.User)), nil
	case h.Account.UID == h.uid:
		return h.asServer, h.sharedUser("as configured by user in [dnsmasq]"), nil
	}
	if err := h.Account.Reaches(h.BaseDir); err != nil {
		return h.asServer, h.sharedUser(err.Error()), nil
	}
	if h.uid == 0 {
		return h.asAccount, "", nil
	}
	err := h.launcherReady()
	if err == nil {
		return h.byLauncher, "", nil
	}
	if mustLaunch || !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	return h.asServer, h.sharedUser("mdserver-launcher.service does not run"), nil
}

func (h host) sharedUser(why string) string {
	return "dnsmasq runs as the server's user and can read its files: " + why
}

// local is a child of this process.
type local struct{ *exec.Cmd }

func (l local) Pid() int                   { return l.Process.Pid }
func (l local) Signal(sig os.Signal) error { return l.Process.Signal(sig) }

// asServer starts dnsmasq as the server's user, with the capabilities of the
// server.
func (h host) asServer(args []string, output io.Writer) (running, error) {
	attr := &syscall.SysProcAttr{}
	if h.uid != 0 {
		attr.AmbientCaps = heldCapabilities()
	}
	return h.start(attr, args, output)
}

// asAccount has root start dnsmasq as its user: without groups, and with the
// capabilities that it needs and no others.
func (h host) asAccount(args []string, output io.Writer) (running, error) {
	return h.start(&syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: h.Account.UID, Gid: h.Account.GID},
		AmbientCaps: heldCapabilities(),
	}, args, output)
}

// start starts a child. It gets a process group of its own, so that a Ctrl-C
// meant for mdserver does not end it first.
func (h host) start(attr *syscall.SysProcAttr, args []string, output io.Writer) (running, error) {
	cmd := exec.Command(h.Binary, args...)
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
