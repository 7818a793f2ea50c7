//go:build e2e

package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/client"
	"mdserver/internal/etcd/etcdtest"
)

// diskSize is the size of the file system of a server's database.
const diskSize = 64 << 20

// server is mdserver on a host of its own.
type server struct {
	*client.Client
	t      testing.TB
	name   string
	host   *etcdtest.Host
	dir    string
	config string
	skew   time.Duration

	cmd  *exec.Cmd
	done chan struct{} // closed at the process's end

	// stops is how often the server itself was stopped, so that it could not answer, and
	// went on: odd while it is.
	stops atomic.Int64
}

func newServer(t testing.TB, cluster *etcdtest.Cluster, name string) *server {
	t.Helper()
	s := &server{t: t, name: name, host: cluster.AddHost(), dir: t.TempDir()}
	state := filepath.Join(s.dir, "state")
	must(t, os.Mkdir(state, 0o700))
	must(t, unix.Mount("fleet", state, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)))
	t.Cleanup(func() { must(t, unix.Unmount(state, unix.MNT_DETACH)) })
	socket := filepath.Join(s.dir, "sock")
	s.Client = client.New(socket)
	s.config = filepath.Join(s.dir, "mdserver.conf")
	text := fmt.Sprintf(`[mdserver]
database = %[1]s/state/inventory.db
identity = %[1]s/state/identity.pem
db_file = %[1]s/none.json
userdata_dir = %[1]s
logfile = %[1]s/file.log
socket = %[1]s/sock
listen_address = 127.0.0.1
[libvirt]
uri = off
[dnsmasq]
run = off
net_name = mds
net_address = 10.122.0.0
net_prefix = 20
[store]
backend = etcd
endpoints = %[2]s
`, s.dir, strings.Join(cluster.Endpoints(), ", "))
	must(t, os.WriteFile(s.config, []byte(text), 0o600))
	s.start()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("%s:\n%s", name, s.lastLines())
		}
	})
	return s
}

// start starts the server and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	cmd := exec.Command(program, "serve", "--config", s.config)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", skewEnv, int(s.skew.Seconds())))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	output, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(s.t, err)
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	must(s.t, s.host.Start(cmd))
	s.cmd, s.done = cmd, make(chan struct{})
	go func(done chan struct{}) { // ends with the process, which kill waits for
		_ = cmd.Wait()
		close(done)
	}(s.done)
	s.awaitAnswer()
	s.goesOn()
}

func (s *server) awaitAnswer() {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := s.Usage(ctx)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-s.done:
			s.t.Fatalf("%s ended by itself:\n%s", s.name, s.lastLines())
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s does not answer: %v\n%s", s.name, err, s.lastLines())
		}
	}
}

// kill ends the server at once, as a crash of its host does.
func (s *server) kill() {
	s.halts()
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.done
}

// pause stops the server's process without ending it.
func (s *server) pause() {
	s.halts()
	must(s.t, s.cmd.Process.Signal(syscall.SIGSTOP))
}

func (s *server) resume() {
	must(s.t, s.cmd.Process.Signal(syscall.SIGCONT))
	s.goesOn()
}

// halts and goesOn count a stop once, however often they are called for it.
func (s *server) halts()  { s.stops.Store(s.stops.Load() | 1) }
func (s *server) goesOn() { s.stops.Store((s.stops.Load() + 1) &^ 1) }

// restart crashes the server and starts it with a clock that is wrong.
func (s *server) restart(skew time.Duration) {
	s.kill()
	s.skew = skew
	s.start()
}

func (s *server) ballast() string { return filepath.Join(s.dir, "state", "ballast") }

// fillDisk leaves no space for the server's database.
func (s *server) fillDisk() {
	s.t.Helper()
	f, err := os.Create(s.ballast())
	must(s.t, err)
	defer f.Close()
	for chunk := make([]byte, 1<<16); err == nil; {
		_, err = f.Write(chunk)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		s.t.Fatal(err)
	}
}

func (s *server) freeDisk() { must(s.t, os.Remove(s.ballast())) }

func (s *server) log() string { return filepath.Join(s.dir, "log") }

// lastLines are the end of the server's log.
func (s *server) lastLines() string {
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
