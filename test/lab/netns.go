package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	netnsDir    = "/run/netns"
	netnsEtcDir = "/etc/netns"
)

// Namespace is a network namespace with a resolv.conf of its own.
type Namespace struct {
	// Name is what iproute2 knows it by.
	Name string
	lab  *Lab
}

func (l *Lab) addNamespace(ctx context.Context, name string) (*Namespace, error) {
	n := &Namespace{Name: l.id + "-" + name, lab: l}
	// An empty file keeps the machine's own resolvers out of the lab.
	etc := filepath.Join(netnsEtcDir, n.Name)
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return nil, err
	}
	l.onClose(func(context.Context) error { return removeNetnsEtc(n.Name) })
	if err := os.WriteFile(n.resolvConf(), nil, 0o644); err != nil {
		return nil, err
	}
	if err := run(ctx, "ip", "netns", "add", n.Name); err != nil {
		return nil, err
	}
	l.onClose(func(ctx context.Context) error { return removeNamespace(ctx, n.Name) })
	return n, n.IP(ctx, "link", "set", "lo", "up")
}

func (n *Namespace) resolvConf() string {
	return filepath.Join(netnsEtcDir, n.Name, "resolv.conf")
}

// SetResolver names the DNS server that programs in the namespace ask.
func (n *Namespace) SetResolver(addr string) error {
	return os.WriteFile(n.resolvConf(), []byte("nameserver "+addr+"\n"), 0o644)
}

// IP runs iproute2's ip for this namespace.
func (n *Namespace) IP(ctx context.Context, args ...string) error {
	return run(ctx, "ip", append([]string{"-n", n.Name}, args...)...)
}

// Command prepares a command that runs inside the namespace. It dies with
// this program.
func (n *Namespace) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	full := append([]string{"netns", "exec", n.Name, name}, args...)
	cmd := exec.CommandContext(ctx, "ip", full...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	return cmd
}

// Output runs a command inside the namespace and returns its standard output.
// An error carries what the command wrote to standard error.
func (n *Namespace) Output(ctx context.Context, name string, args ...string) (string, error) {
	return output(n.Command(ctx, name, args...))
}

// Do calls f with the calling goroutine inside the namespace: sockets that f
// itself opens belong there.
func (n *Namespace) Do(f func() error) error {
	return Within(filepath.Join(netnsDir, n.Name), f)
}

// Within is [Namespace.Do] for the network namespace that a file names, such as
// /proc/PID/ns/net.
func Within(file string, f func() error) error {
	runtime.LockOSThread()
	old, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer old.Close()
	target, err := os.Open(file)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer target.Close()
	if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering namespace %s: %w", file, err)
	}
	ferr := f()
	if err := unix.Setns(int(old.Fd()), unix.CLONE_NEWNET); err != nil {
		// The thread stays locked, so it ends with the goroutine.
		return errors.Join(ferr, fmt.Errorf("leaving namespace %s: %w", file, err))
	}
	runtime.UnlockOSThread()
	return ferr
}

// HTTPClient returns a client whose connections start in the namespace, from
// the local address (any if it is the zero Addr). Every request makes a new
// connection, as cloud-init does. Only literal addresses can be asked.
func (n *Namespace) HTTPClient(local netip.Addr) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	dial := func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		doErr := n.Do(func() error {
			conn, err = dialer.DialContext(ctx, network, addr)
			return err
		})
		return conn, doErr
	}
	return &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		// A metadata server must never redirect a guest: let the caller see it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func removeNamespace(ctx context.Context, name string) error {
	if _, err := os.Stat(filepath.Join(netnsDir, name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	killWithin(ctx, name)
	return run(ctx, "ip", "netns", "del", name)
}

func removeNetnsEtc(name string) error {
	err := os.RemoveAll(filepath.Join(netnsEtcDir, name))
	_ = os.Remove(netnsEtcDir) // only when it is empty, so only if it was ours
	return err
}

// killWithin ends what still runs in one of our namespaces, such as the child
// of a server that was killed.
func killWithin(ctx context.Context, name string) {
	out, err := output(exec.CommandContext(ctx, "ip", "netns", "pids", name))
	if err != nil {
		return
	}
	for _, word := range strings.Fields(out) {
		var pid int
		if _, err := fmt.Sscan(word, &pid); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func run(ctx context.Context, name string, args ...string) error {
	_, err := output(exec.CommandContext(ctx, name, args...))
	return err
}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s",
			strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
