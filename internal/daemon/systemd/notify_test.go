package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/config"
)

// TestProbeAddress checks that the server probes its own address, or a loopback address if it
// listens on all.
func TestProbeAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"169.254.169.254": "169.254.169.254:8080", "0.0.0.0": "127.0.0.1:8080", "::": "[::1]:8080", "fd00:ec2::254": "[fd00:ec2::254]:8080",
	} {
		cfg := &config.Config{Server: config.Server{ListenAddress: netip.MustParseAddr(addr), Port: 8080}}
		if got := probeAddress(cfg); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// dogOf returns the watchdog of a server at a port, and its log.
func dogOf(t *testing.T, port int, writing time.Duration) (*watchdog, *strings.Builder) {
	t.Helper()
	log := &strings.Builder{}
	cfg := &config.Config{Server: config.Server{ListenAddress: netip.MustParseAddr("127.0.0.1"), Port: port, Socket: filepath.Join(shortDir(t), "s")}}
	n := NewNotifier(slog.New(slog.NewTextHandler(log, nil)))
	return &watchdog{log: n.log, notify: n, config: func() *config.Config { return cfg }, writing: func() time.Duration { return writing }}, log
}

// TestUnreachedTime checks that a server that cannot be reached is reported after a while, and
// that this time does not start again with each probe.
func TestUnreachedTime(t *testing.T) {
	messages := systemd(t, 2*time.Second)
	dog, log := dogOf(t, 1, 0)
	dog.watch(t.Context())
	since := dog.unreached
	if since.IsZero() || log.Len() > 0 {
		t.Errorf("after one probe, unreached since %s: %s", since, log)
	}
	dog.watch(t.Context())
	if dog.unreached != since {
		t.Errorf("unreached since %s, and was since %s", dog.unreached, since)
	}
	dog.unreached = since.Add(-2 * unreachedTime)
	dog.watch(t.Context())
	if got, want := messages(), "WATCHDOG=1|WATCHDOG=1"; got != want {
		t.Errorf("systemd got %q, want %q", got, want)
	}
	if !strings.Contains(log.String(), "level=ERROR msg=\"the server's self-check failed; systemd restarts the server if this continues\" error=\""+errUnreached.Error()) {
		t.Errorf("the log has %s", log)
	}
}

// TestReachedAgain checks that an answer ends the time in which the server was not reached.
func TestReachedAgain(t *testing.T) {
	systemd(t, 2*time.Second)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	dog, _ := dogOf(t, server.Listener.Addr().(*net.TCPAddr).Port, 0)
	dog.unreached = time.Now().Add(-time.Hour)
	dog.watch(t.Context())
	if !dog.unreached.IsZero() {
		t.Errorf("still unreached since %s", dog.unreached)
	}
}

// TestIsDial checks that a refused connection or a missing address counts as a failed dial,
// and that a timeout does not: the server hangs.
func TestIsDial(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"an answer", nil, false},
		{"refused", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true},
		{"no such address", &net.OpError{Op: "dial", Err: syscall.EADDRNOTAVAIL}, true},
		{"no connection in time", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, false},
		{"no answer", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, false},
		{"another error", errHungWrite, false},
	} {
		if got := isDial(fmt.Errorf("ask: %w", tt.err)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestSelfCheckIsCancelled checks that a self-check that ends with the server is no failure.
func TestSelfCheckIsCancelled(t *testing.T) {
	messages := systemd(t, 2*time.Second)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	dog, log := dogOf(t, server.Listener.Addr().(*net.TCPAddr).Port, 2*hungWrite)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dog.watch(ctx)
	if got := messages(); got != "" || log.Len() > 0 {
		t.Errorf("systemd got %q; the log has %s", got, log)
	}
}

// monotonic returns the time of the clock that systemd compares with, in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// TestMessages checks that systemd gets each change of the server's state; see sd_notify(3).
func TestMessages(t *testing.T) {
	messages := systemd(t, 20*time.Second)
	n := NewNotifier(slog.New(slog.DiscardHandler))
	if n.period != 5*time.Second {
		t.Errorf("a watchdog of 20s is fed each %s", n.period)
	}
	n.Ready()
	before := monotonic(t)
	n.Reloading()
	after := monotonic(t)
	n.Ready()
	n.Stopping()
	text, rest, _ := strings.Cut(messages(), "MONOTONIC_USEC=")
	at, rest, _ := strings.Cut(rest, "|")
	if usec, err := strconv.ParseInt(at, 10, 64); text != "READY=1|RELOADING=1\n" || rest != "READY=1|STOPPING=1" || err != nil || usec < before || usec > after {
		t.Errorf("systemd got %q, the time %q and %q; want a time from %d to %d", text, at, rest, before, after)
	}
}

// TestNoSystemd checks that a failed notification is logged, unless there is no systemd.
func TestNoSystemd(t *testing.T) {
	for socket, warned := range map[string]bool{"": false, filepath.Join(shortDir(t), "gone"): true} {
		t.Setenv("NOTIFY_SOCKET", socket)
		log := &strings.Builder{}
		NewNotifier(slog.New(slog.NewTextHandler(log, nil))).Ready()
		if got := strings.Contains(log.String(), `msg="systemd not notified"`); got != warned {
			t.Errorf("%q: %s", socket, log)
		}
	}
}
