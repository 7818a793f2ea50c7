package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Member is one member of a cluster, a process.
type Member struct {
	Endpoint string // URL for clients

	t           testing.TB
	number      int
	cluster     *Cluster
	dir         string
	peer, peers string

	cmd  *exec.Cmd
	done chan struct{} // closed at the process's end
}

// Start starts the member, with the data that it had.
func (m *Member) Start() {
	m.t.Helper()
	args := []string{
		"--name", name(m.number), "--data-dir", m.data(),
		"--listen-client-urls", m.Endpoint, "--advertise-client-urls", m.Endpoint,
		"--listen-peer-urls", m.peer, "--initial-advertise-peer-urls", m.peer,
		"--initial-cluster", m.peers, "--initial-cluster-token", filepath.Base(m.cluster.dir),
		"--logger", "zap", "--log-level", "warn",
	}
	if m.cluster.options.TLS {
		args = append(args, m.cluster.tlsArgs()...)
	}
	cmd := exec.Command("etcd", append(args, m.cluster.options.Args...)...)
	cmd.Env = []string{} // etcd takes settings from there
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	output, err := os.OpenFile(m.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		m.t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if err := m.cluster.net.start(m.number, cmd); err != nil {
		m.t.Fatalf("starting etcd: %v", err)
	}
	m.cmd, m.done = cmd, make(chan struct{})
	go func(done chan struct{}) { // ends with the process, which Kill waits for
		_ = cmd.Wait()
		close(done)
	}(m.done)
}

// Pid is the ID of the member's process.
func (m *Member) Pid() int { return m.cmd.Process.Pid }

func (m *Member) data() string { return filepath.Join(m.dir, "data") }
func (m *Member) log() string  { return filepath.Join(m.cluster.dir, name(m.number)+".log") }

// Kill ends the member at once, as a crash of its host does. Start starts it again.
func (m *Member) Kill() {
	_ = m.cmd.Process.Kill() // it may have ended
	<-m.done
}

// Pause stops the member's process without ending it: its kernel still
// accepts connections. Resume continues it.
func (m *Member) Pause() {
	m.t.Helper()
	m.signal(syscall.SIGSTOP)
	// On a busy machine the process runs on until one of its threads takes the signal.
	for end := time.Now().Add(10 * time.Second); !m.stopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			m.t.Fatalf("%s does not stop", name(m.number))
		}
	}
}

// Resume continues the process that Pause has stopped.
func (m *Member) Resume() { m.signal(syscall.SIGCONT) }

// stopped reports whether the process is stopped by a signal; see proc_pid_stat(5).
func (m *Member) stopped() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.Pid()))
	if err != nil {
		m.t.Fatal(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "T")
}

func (m *Member) signal(sig syscall.Signal) {
	m.t.Helper()
	if err := m.cmd.Process.Signal(sig); err != nil {
		m.t.Fatalf("signal %v to %s: %v", sig, name(m.number), err)
	}
}

// Alive reports whether the process runs.
func (m *Member) Alive() bool {
	select {
	case <-m.done:
		return false
	default:
		return true
	}
}

// Cut drops all packets to the member, or from it, or both. Cut(false, false)
// lets them pass again.
func (m *Member) Cut(in, out bool) {
	m.t.Helper()
	m.cluster.net.cut(m.t, m.number, in, out)
}

// WaitUsable waits until the member serves a read that needs a majority.
func (m *Member) WaitUsable() {
	m.t.Helper()
	client := m.anonymous()
	defer client.Close()
	for deadline := time.Now().Add(30 * time.Second); ; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := client.Get(ctx, "/")
		cancel()
		if err == nil || refused(err) {
			return
		}
		if !m.Alive() || time.Now().After(deadline) {
			m.t.Fatalf("%s does not serve: %v\n%s", name(m.number), err, m.lastLines())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// refused reports whether a member has refused a request because users are enabled. It
// asks the others before it does so.
func refused(err error) bool {
	return strings.Contains(err.Error(), "user name is empty") || strings.Contains(err.Error(), "permission denied")
}

// anonymous is a client of this member alone, without a user.
func (m *Member) anonymous() *clientv3.Client {
	m.t.Helper()
	cfg := clientv3.Config{Endpoints: []string{m.Endpoint}, Logger: zap.NewNop()}
	if m.cluster.options.TLS {
		cfg.TLS = m.cluster.clientTLS()
	}
	client, err := clientv3.New(cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	return client
}

// WaitAlone waits until the member knows no leader.
func (m *Member) WaitAlone() {
	m.t.Helper()
	client := m.anonymous()
	defer client.Close()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		reply, err := client.Status(ctx, m.Endpoint)
		cancel()
		if err == nil && reply.Leader == 0 {
			return
		}
	}
	m.t.Fatalf("%s still has a leader", name(m.number))
}

// makeDir makes the member's directory, on a file system of a certain size if
// that is not 0.
func (m *Member) makeDir(size int64) {
	m.t.Helper()
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		m.t.Fatal(err)
	}
	if size > 0 {
		mountMemory(m.t, m.dir, size)
	}
}

// FillDisk leaves no space on the member's file system. It needs Options.DiskSize.
func (m *Member) FillDisk() {
	m.t.Helper()
	if m.cluster.options.DiskSize == 0 {
		m.t.Fatal("a member without Options.DiskSize has no disk of its own")
	}
	f, err := os.Create(m.ballast())
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 1<<16); err == nil; {
		_, err = f.Write(chunk)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		m.t.Fatal(err)
	}
}

// FreeDisk undoes FillDisk.
func (m *Member) FreeDisk() {
	m.t.Helper()
	if err := os.Remove(m.ballast()); err != nil {
		m.t.Fatal(err)
	}
}

func (m *Member) ballast() string { return filepath.Join(m.dir, "ballast") }

// lastLines are the end of the member's log.
func (m *Member) lastLines() string {
	text, err := os.ReadFile(m.log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
