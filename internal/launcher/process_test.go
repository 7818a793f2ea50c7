package launcher

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asLauncher is the environment variable that makes a process of this test a launcher. It has
// the socket's path.
const asLauncher = "MDSERVER_TEST_LAUNCHER"

func TestMain(m *testing.M) {
	path := os.Getenv(asLauncher)
	if path == "" {
		os.Exit(m.Run())
	}
	l, err := Listen(path)
	if err != nil {
		panic(err)
	}
	(&Server{uint32(os.Getuid()), slog.New(slog.DiscardHandler)}).Serve(context.Background(), l)
}

// TestProcessEndsWithAKilledLauncher checks that processes end if their launcher is killed and
// cannot stop them.
func TestProcessEndsWithAKilledLauncher(t *testing.T) {
	path := t.TempDir() + "/socket"
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), asLauncher+"="+path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := Socket(path).User(); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the launcher does not start")
		}
	}
	p, output := start(t, Socket(path), `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	nextLine(t, output)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	gone(t, p.PID)
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "the launcher has ended") {
		t.Errorf("the process ended with %v", err)
	}
}

// TestProcessIsAskedToEnd checks that a process gets SIGTERM first when its server is gone.
func TestProcessIsAskedToEnd(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	p, output := start(t, socket, `trap 'echo asked; exit' TERM; echo ready; while :; do :; done`)
	nextLine(t, output)
	p.conn.Close()
	if got := nextLine(t, output); got != "asked" {
		t.Errorf("the process says %q", got)
	}
	gone(t, p.PID)
}

// TestProcess checks that a process has both outputs in the file, a process group apart from
// the launcher's terminal, and a command line as long as dnsmasq's.
func TestProcess(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	p, output := start(t, socket, `echo out; echo err >&2; echo ${#0}; while :; do :; done`, strings.Repeat("x", 20<<10))
	for _, want := range []string{"out", "err", "20480"} {
		if got := nextLine(t, output); got != want {
			t.Errorf("the process says %q, want %q", got, want)
		}
	}
	if group, err := syscall.Getpgid(p.PID); err != nil || group != p.PID {
		t.Errorf("process %d is in the group %d, %v", p.PID, group, err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("the process ended with %v", err)
	}
	if _, err := p.conn.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("its connection is open: %v", err)
	}
	if _, err := socket.Start([]string{"/bin/true", strings.Repeat("x", longest)}, nil); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a longer command line: %v", err)
	}
}

type oddSignal struct{}

func (oddSignal) Signal()        {}
func (oddSignal) String() string { return "odd" }

// TestSignalOfNothing checks that a signal that reaches no process is an error.
func TestSignalOfNothing(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	p, _ := start(t, socket, "exit 0")
	if err := p.Signal(oddSignal{}); err == nil || !strings.Contains(err.Error(), "not a Unix signal") {
		t.Errorf("a signal that Unix does not have: %v", err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := socket.Signal(p.PID, syscall.SIGTERM); err == nil || !strings.Contains(err.Error(), "signal process") {
		t.Errorf("signalling a process that has ended: %v", err)
	}
}

// TestOutputIsClosed checks that the launcher closes a file that came with a message, whatever
// the message was.
func TestOutputIsClosed(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	for name, message := range map[string]any{
		"a process that ends": request{Command: []string{"/bin/true"}},
		"a missing program":   request{Command: []string{"/nonexistent/program"}},
		"no command":          request{},
		"a wrong message":     7,
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			conn, err := socket.dial()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := errors.Join(send(conn, message, w), w.Close(), r.SetReadDeadline(time.Now().Add(10*time.Second))); err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(r); err != nil || len(text) > 0 {
				t.Errorf("the file has %q, %v", text, err)
			}
		})
	}
}

// lines is a log that sends each line to a channel.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// TestAcceptFails checks that the launcher and its processes go on after a connection cannot
// be accepted.
func TestAcceptFails(t *testing.T) {
	l := listen(t)
	log := make(lines, 1000)
	if err := l.SetDeadline(time.Now()); err != nil { // makes Accept fail
		t.Fatal(err)
	}
	serveOn(t, l, uint32(os.Getuid()), log)
	if line := <-log; !strings.Contains(line, "timeout") {
		t.Errorf("the log has %s", line)
	}
	if err := l.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	p, output := start(t, Socket(l.Addr().String()), "echo works")
	if got := nextLine(t, output); got != "works" {
		t.Errorf("the process says %q", got)
	}
	_ = p.Wait()
}

// TestReceiveWithin checks that receiveWithin waits for its message only for a while, and that
// later calls of receive wait without limit.
func TestReceiveWithin(t *testing.T) {
	l := listen(t)
	defer l.Close()
	client, err := Socket(l.Addr().String()).dial()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const limit = 50 * time.Millisecond
	var r request
	if _, err := receiveWithin(conn, limit, &r); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("waiting for a client that sends nothing: %v", err)
	}
	if err := send(client, request{PID: 1}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := receiveWithin(conn, time.Minute, &r); err != nil || r.PID != 1 {
		t.Errorf("the first message: %+v, %v", r, err)
	}
	if _, err := receiveWithin(conn, limit, &r); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("waiting for a second message: %v", err)
	}
	if err := send(client, request{PID: 2}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := receive(conn, &r); err != nil || r.PID != 2 {
		t.Errorf("a later message: %+v, %v", r, err)
	}
}
