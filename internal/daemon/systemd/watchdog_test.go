package systemd

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/fdtest"
)

// shortDir is a directory for a socket, whose path has a limit: unix(7).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// systemd receives what the server notifies.
func systemd(t *testing.T, watchdog time.Duration) (messages func() string) {
	t.Helper()
	path := filepath.Join(shortDir(t), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "")
	if watchdog > 0 {
		t.Setenv("WATCHDOG_USEC", strconv.FormatInt(watchdog.Microseconds(), 10))
	}
	return func() string {
		var all []string
		buf := make([]byte, 4096)
		for {
			_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			n, err := conn.Read(buf)
			if err != nil {
				return strings.Join(all, "|")
			}
			all = append(all, string(buf[:n]))
		}
	}
}

// The watchdog is fed if a request is answered by the listener of the guests, or
// if this host lacks that listener's address and the control socket answers.
func TestWatchdog(t *testing.T) {
	answers := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusNotFound) })
	hangs := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	tests := []struct {
		name              string
		metadata, control http.Handler  // nil: nothing listens
		writing           time.Duration // of the present write
		unreached         time.Duration // before this probe
		want              string
	}{
		{"guests are answered", answers, hangs, 0, 0, "WATCHDOG=1"},
		{"guests are not answered", hangs, answers, 0, 0, ""},
		{"the address is not there, the control socket answers", nil, answers, 0, 0, "WATCHDOG=1"},
		{"the address is not there, the control socket does not answer", nil, hangs, 0, 0, ""},
		{"the control socket was removed", nil, nil, 0, 0, "WATCHDOG=1"},
		{"the control socket has been missing for a while", nil, nil, 0, 50 * time.Second, "WATCHDOG=1"},
		{"the control socket does not come back", nil, nil, 0, 61 * time.Second, ""},
		{"the control socket came back", nil, answers, 0, time.Hour, "WATCHDOG=1"},
		{"the disk is slow", answers, answers, 4 * time.Minute, 0, "WATCHDOG=1"},
		{"a write hangs", answers, answers, 6 * time.Minute, 0, ""},
		{"a write hangs, and guests are not reached", nil, answers, 6 * time.Minute, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			messages := systemd(t, 2*time.Second)
			cfg := config.Default()
			cfg.Server.ListenAddress, cfg.Server.Port = netip.MustParseAddr("127.0.0.1"), 1
			if tt.metadata != nil {
				server := httptest.NewServer(tt.metadata)
				defer server.Close()
				cfg.Server.Port = server.Listener.Addr().(*net.TCPAddr).Port
			}
			cfg.Server.Socket = filepath.Join(shortDir(t), "s")
			if tt.control != nil {
				l, err := net.Listen("unix", cfg.Server.Socket)
				if err != nil {
					t.Fatal(err)
				}
				server := &httptest.Server{Listener: l, Config: &http.Server{Handler: tt.control}}
				server.Start()
				defer server.Close()
			}
			log := slog.New(slog.DiscardHandler)
			dog := &watchdog{
				log: log, notify: NewNotifier(log),
				config:  func() *config.Config { return cfg },
				writing: func() time.Duration { return tt.writing },
			}
			if tt.unreached > 0 {
				dog.unreached = time.Now().Add(-tt.unreached)
			}
			dog.watch(t.Context())
			if got := messages(); got != tt.want {
				t.Errorf("systemd was told %q, want %q", got, tt.want)
			}
		})
	}
}

// TestKeepAlive feeds a watchdog until the end. Without one, nothing waits.
func TestKeepAlive(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	cfg := config.Default()
	cfg.Server.ListenAddress, cfg.Server.Port = netip.MustParseAddr("127.0.0.1"), server.Listener.Addr().(*net.TCPAddr).Port
	for watchdog, want := range map[time.Duration]string{0: "", 400 * time.Millisecond: "WATCHDOG=1"} {
		messages := systemd(t, watchdog)
		n := NewNotifier(slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		n.KeepAlive(ctx, func() *config.Config { return cfg }, func() time.Duration { return 0 })
		if fed := ctx.Err() != nil; fed != (watchdog > 0) {
			t.Errorf("watchdog of %s: it has waited for the end: %v", watchdog, fed)
		}
		cancel()
		if got, _, _ := strings.Cut(messages(), "|"); got != want {
			t.Errorf("watchdog of %s: systemd was told %q, want %q", watchdog, got, want)
		}
	}
}

// systemd is told of a status line once, and in one line.
func TestStatusLine(t *testing.T) {
	messages := systemd(t, 0)
	n := NewNotifier(slog.New(slog.DiscardHandler))
	for _, line := range []string{"serving 1 guests", "serving 1 guests", "serving 2 guests;\nREADY=1"} {
		n.Status(line)
	}
	if got, want := messages(), "STATUS=serving 1 guests|STATUS=serving 2 guests; READY=1"; got != want {
		t.Errorf("systemd was told %q, want %q", got, want)
	}
	if n.period != 0 {
		t.Errorf("without a watchdog it is fed each %s", n.period)
	}
}

// TestSelfCheckLeavesNothing checks that no self-check leaves a connection to the server open,
// which does one every few seconds for as long as it runs.
func TestSelfCheckLeavesNothing(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	dog, _ := dogOf(t, server.Listener.Addr().(*net.TCPAddr).Port, 0)
	fdtest.NoneLeft(t, func() {
		if err := dog.probe(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
