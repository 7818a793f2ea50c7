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

// asLauncher is the variable with the socket of a test's process that is a launcher.
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

// A launcher that is killed cannot stop its processes; they end all the same.
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
		t.Errorf("its end: %v", err)
	}
}

// A process whose server is gone is asked to end first.
func TestProcessIsAskedToEnd(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	p, output := start(t, socket, `trap 'echo asked; exit' TERM; echo ready; while :; do :; done`)
	nextLine(t, output)
	p.conn.Close()
	if got := nextLine(t, output); got != "asked" {
		t.Errorf("it says %q", got)
	}
	gone(t, p.PID)
}

// A process has both its outputs in the file, a group of its own, so that no signal for
// the launcher's terminal reaches it, and a command line as long as dnsmasq's can be.
func TestProcess(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	p, output := start(t, socket, `echo out; echo err >&2; echo ${#0}; while :; do :; done`, strings.Repeat("x", 20<<10))
	for _, want := range []string{"out", "err", "20480"} {
		if got := nextLine(t, output); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
	if group, err := syscall.Getpgid(p.PID); err != nil || group != p.PID {
		t.Errorf("process %d is in the group %d, %v", p.PID, group, err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("it ended with %v", err)
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

// A signal that reaches nobody is an error.
func TestSignalOfNothing(t *testing.T) {
	socket, _ := serve(t, uint32(os.Getuid()))
	p, _ := start(t, socket, "exit 0")
	if err := p.Signal(oddSignal{}); err == nil || !strings.Contains(err.Error(), "not a Unix signal") {
		t.Errorf("a signal of another system: %v", err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := socket.Signal(p.PID, syscall.SIGTERM); err == nil || !strings.Contains(err.Error(), "signal process") {
		t.Errorf("a process that has ended: %v", err)
	}
}

// The launcher keeps no file open that came with a message, whatever becomes of it.
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
				t.Errorf("it has %q, %v", text, err)
			}
		})
	}
}

// lines is a log that hands over each line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// A connection that cannot be accepted ends neither the launcher nor its processes.
func TestAcceptFails(t *testing.T) {
	l := listen(t)
	log := make(lines, 1000)
	if err := l.SetDeadline(time.Now()); err != nil { // makes it fail
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
		t.Errorf("it says %q", got)
	}
	_ = p.Wait()
}

// The first message of an end is waited for for a while only, and later ones for ever.
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
		t.Errorf("of an end that says nothing: %v", err)
	}
	if err := send(client, request{PID: 1}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := receiveWithin(conn, time.Minute, &r); err != nil || r.PID != 1 {
		t.Errorf("the first message: %+v, %v", r, err)
	}
	if _, err := receiveWithin(conn, limit, &r); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no further message: %v", err)
	}
	if err := send(client, request{PID: 2}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := receive(conn, &r); err != nil || r.PID != 2 {
		t.Errorf("a later message: %+v, %v", r, err)
	}
}
