package launcher

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serve runs a launcher until the end of the test, or until stop is called.
func serve(t *testing.T, client uint32) (socket Socket, stop func()) {
	t.Helper()
	l := listen(t)
	return Socket(l.Addr().String()), serveOn(t, l, client, io.Discard)
}

// listen makes a socket in a directory that all users can reach.
func listen(t *testing.T) *net.UnixListener {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveOn is like serve, on a given socket and with a log.
func serveOn(t *testing.T, l *net.UnixListener, client uint32, log io.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { (&Server{client, slog.New(slog.NewTextHandler(log, nil))}).Serve(ctx, l) })
	stop = func() {
		cancel()
		serving.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// start starts a shell script whose output can be read line by line.
func start(t *testing.T, socket Socket, script string, args ...string) (*Process, *bufio.Scanner) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	p, err := socket.Start(append([]string{"/bin/sh", "-c", script}, args...), w)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, bufio.NewScanner(r)
}

func nextLine(t *testing.T, output *bufio.Scanner) string {
	t.Helper()
	if !output.Scan() {
		t.Fatal("the process says nothing")
	}
	return output.Text()
}

// running reports whether a process still runs. A process that ended but was not waited for
// does not: see proc_pid_stat(5).
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if !running(pid) {
			return
		}
	}
	t.Errorf("process %d still runs", pid)
}

func TestStartSignalWait(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	// It starts nothing: a shell can lose a signal that comes while it forks. And
	// it cannot trap SIGHUP where nohup ignores it.
	p, output := start(t, socket, `trap 'echo usr1' USR1; echo $$; while :; do :; done`)
	if got := nextLine(t, output); got != fmt.Sprint(p.PID) {
		t.Errorf("process %s, want %d", got, p.PID)
	}
	if err := p.Signal(syscall.SIGUSR1); err != nil {
		t.Error(err)
	}
	if got := nextLine(t, output); got != "usr1" {
		t.Errorf("it says %q", got)
	}
	if err := socket.Signal(p.PID, syscall.SIGUSR1); err != nil {
		t.Error(err)
	}
	if got := nextLine(t, output); got != "usr1" {
		t.Errorf("it says %q", got)
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
	if err := p.Signal(syscall.SIGUSR1); err != os.ErrProcessDone {
		t.Errorf("a signal afterwards: %v", err)
	}
}

func TestExitStatus(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	for script, want := range map[string]string{"exit 0": "", "exit 3": "exit status 3"} {
		p, _ := start(t, socket, script)
		got := ""
		if err := p.Wait(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
	if _, err := socket.Start([]string{"/nonexistent/program"}, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a program that does not exist: %v", err)
	}
}

// Neither the server nor the launcher leaves a process behind.
func TestProcessEndsWithEither(t *testing.T) {
	const stubborn = `trap '' TERM; echo ready; while :; do sleep 0.01; done`
	t.Run("server", func(t *testing.T) {
		socket, _ := serve(t, uint32(os.Getuid()))
		p, output := start(t, socket, `echo ready; while :; do sleep 0.01; done`)
		nextLine(t, output)
		p.conn.Close()
		gone(t, p.PID)
	})
	t.Run("launcher", func(t *testing.T) {
		socket, stop := serve(t, uint32(os.Getuid()))
		p, output := start(t, socket, stubborn)
		nextLine(t, output)
		stop()
		if running(p.PID) {
			t.Errorf("process %d still runs", p.PID)
		}
		if err := p.Wait(); err == nil {
			t.Error("its end is no error")
		}
	})
}

// The process gets nothing of the launcher's environment, such as the socket
// by which it tells systemd of itself.
func TestProcessInheritsNoVariables(t *testing.T) {
	t.Setenv("SECRET", "x")
	socket, _ := serve(t, uint32(os.Getuid()))
	p, output := start(t, socket, `env | cut -d= -f1 | sort | tr '\n' ' '; echo`)
	if got := nextLine(t, output); got != "LC_ALL PATH PWD " && got != "LC_ALL OLDPWD PATH PWD " {
		t.Errorf("variables %q", got)
	}
	_ = p.Wait()
}

func TestBadMessages(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	for name, message := range map[string][]byte{
		"no JSON": []byte("{"), "no command": []byte("{}"), "wrong type": []byte(`{"command":7}`),
		"too long": bytes.Repeat([]byte("x"), longest+1), "group": []byte(`{"pid":-1,"signal":9}`),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.DialUnix(network, nil, &net.UnixAddr{Name: string(socket), Net: network})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(message); err != nil {
				t.Fatal(err)
			}
			var answer reply
			if _, err := receive(conn, &answer); err != nil || answer.Error == "" {
				t.Errorf("answer %+v, %v", answer, err)
			}
		})
	}
	p, output := start(t, socket, "echo works")
	if got := nextLine(t, output); got != "works" {
		t.Error(got)
	}
	_ = p.Wait()
}
