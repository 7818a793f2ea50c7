package listen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/config"
)

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	quiet    = slog.New(slog.DiscardHandler)
)

// freePort returns a port that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// local returns the configuration of a server that listens on both loopback addresses.
func local(t *testing.T) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Server.ListenAddress, cfg.Server.Port, cfg.Server.Socket = loopback, freePort(t), filepath.Join(shortDir(t), "run", "s")
	cfg.Server.Listen6.Addresses = []netip.Addr{netip.IPv6Loopback()}
	return cfg
}

// dial connects and closes the connection.
func dial(network, address string) error {
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// TestOpen checks that all sockets are open at once, listen_address first, and are all gone
// after Close.
func TestOpen(t *testing.T) {
	cfg := local(t)
	all, err := Open(cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	four, six := fmt.Sprintf("127.0.0.1:%d", cfg.Server.Port), fmt.Sprintf("[::1]:%d", cfg.Server.Port)
	if got := all.String(); got != four+", "+six {
		t.Errorf("guests are served on %q", got)
	}
	for _, at := range [][2]string{{"tcp", four}, {"tcp", six}, {"unix", cfg.Server.Socket}} {
		if err := dial(at[0], at[1]); err != nil {
			t.Error(err)
		}
	}
	for path, want := range map[string]os.FileMode{cfg.Server.Socket: 0o660, filepath.Dir(cfg.Server.Socket): 0o755} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	if got := all.Control.Addr().String(); got != cfg.Server.Socket {
		t.Errorf("the control socket is at %s", got)
	}
	all.Close()
	if _, err := os.Stat(cfg.Server.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the control socket stays: %v", err)
	}
	for _, at := range []string{four, six} {
		if err := dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s after the end: %v", at, err)
		}
	}
}

// TestOpenFails checks that Open leaves nothing open if it fails.
func TestOpenFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		harm func(cfg *config.Config) (io.Closer, error)
		want string
	}{
		{"another program on the second address", func(cfg *config.Config) (io.Closer, error) {
			return net.Listen("tcp", fmt.Sprintf("[::1]:%d", cfg.Server.Port))
		}, "listen address ::1, port PORT: another program listens there already; find it with `ss -ltnp 'sport = :PORT'`"},
		{"another server on the control socket", func(cfg *config.Config) (io.Closer, error) {
			return listenControl(cfg.Server.Socket, quiet)
		}, "another mdserver listens on SOCKET"},
		{"a file where the control socket is to be", func(cfg *config.Config) (io.Closer, error) {
			if err := os.Mkdir(filepath.Dir(cfg.Server.Socket), 0o755); err != nil {
				return nil, err
			}
			return os.Create(cfg.Server.Socket)
		}, "control socket: SOCKET exists and is not a socket"},
		{"a file where its directory is to be", func(cfg *config.Config) (io.Closer, error) {
			return os.Create(filepath.Dir(cfg.Server.Socket))
		}, "control socket: mkdir "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := local(t)
			other, err := tt.harm(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			before, _ := os.Lstat(cfg.Server.Socket)
			_, err = Open(cfg, quiet)
			want := strings.NewReplacer("PORT", fmt.Sprint(cfg.Server.Port), "SOCKET", cfg.Server.Socket).Replace(tt.want)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("error %v, want %s", err, want)
			}
			if err := dial("tcp", fmt.Sprintf("127.0.0.1:%d", cfg.Server.Port)); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("the first address is still open: %v", err)
			}
			if after, _ := os.Lstat(cfg.Server.Socket); before != nil && !os.SameFile(before, after) {
				t.Error("what was at the control socket's path was replaced")
			}
		})
	}
}

func TestExplained(t *testing.T) {
	strange := errors.New("strange")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.EADDRINUSE, "listen address 127.0.0.1, port 80: another program listens there already; find it with `ss -ltnp 'sport = :80'`"},
		{syscall.EACCES, "listen address 127.0.0.1, port 80: a port below 1024 needs root or CAP_NET_BIND_SERVICE"},
		{strange, "strange"},
	} {
		if got := explained(fmt.Errorf("listen: %w", tt.err), loopback, 80); !strings.HasSuffix(got.Error(), tt.want) {
			t.Errorf("%v: %v, want %s", tt.err, got, tt.want)
		}
	}
}

// TestListenBeforeTheAddressIsThere checks that an address may come later, with a warning
// unless every host has it.
func TestListenBeforeTheAddressIsThere(t *testing.T) {
	for addr, warned := range map[string]bool{"192.0.2.7": true, "2001:db8::7": true, "127.0.0.1": false, "127.0.0.7": false, "0.0.0.0": false, "::": false, "::1": false} {
		var log bytes.Buffer
		l, err := listenTCP(netip.MustParseAddr(addr), 0, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		_ = l.Close()
		if got := strings.Contains(log.String(), "no interface has the listen address yet"); got != warned {
			t.Errorf("%s: %s", addr, &log)
		}
	}
}

// option returns the value of a socket's option.
func option(t *testing.T, l *net.TCPListener, level, name int) int {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var value int
	if controlErr := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) }); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	return value
}

// TestBindTCP checks that sockets use plain TCP and tell the interface of a connection, and
// that the socket on all IPv6 addresses takes IPv4, too.
func TestBindTCP(t *testing.T) {
	for addr, families := range map[string][]string{"127.0.0.1": {"127.0.0.1"}, "::1": {"::1"}, "0.0.0.0": {"127.0.0.1"}, "::": {"127.0.0.1", "::1"}} {
		l, err := bindTCP(netip.MustParseAddr(addr), 0)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for _, host := range families {
			if err := dial("tcp", net.JoinHostPort(host, port)); err != nil {
				t.Errorf("%s: %v", addr, err)
			}
		}
		if protocol := option(t, l, unix.SOL_SOCKET, unix.SO_PROTOCOL); protocol != unix.IPPROTO_TCP {
			t.Errorf("%s: the protocol is %d", addr, protocol)
		}
		if option(t, l, unix.SOL_IP, unix.IP_PKTINFO) != 1 {
			t.Errorf("%s: the socket does not tell the interface of a connection", addr)
		}
		_ = l.Close()
	}
}

// TestLastCalls checks that after LastCalls a new connection gets no answer, so that its
// client tries again, while the connections that are there go on.
func TestLastCalls(t *testing.T) {
	linkLocal := listenScoped(netip.MustParseAddr("fe80::1%lo"), 0, quiet)
	if linkLocal.socket() == nil {
		t.Fatal("no socket on the loopback interface")
	}
	plain, err := bindTCP(loopback, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := Sockets{Metadata: []net.Listener{plain, linkLocal, listenScoped(netip.MustParseAddr("fe80::1%nosuch0"), 80, quiet)}}
	defer all.Close()
	early, err := net.Dial("tcp", plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if filtered(t, linkLocal.socket()) {
		t.Error("the link-local address takes no connections before LastCalls")
	}
	all.LastCalls(quiet)
	conn, err := net.DialTimeout("tcp", plain.Addr().String(), 200*time.Millisecond)
	if failure := (*net.OpError)(nil); !errors.As(err, &failure) || !failure.Timeout() {
		t.Errorf("a new connection: %v, %v", conn, err)
	}
	accepted, err := plain.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if _, err := io.WriteString(early, "question"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("question"))
	_ = accepted.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(accepted, got); err != nil || string(got) != "question" {
		t.Errorf("a connection from before got %q, %v", got, err)
	}
	if !filtered(t, linkLocal.socket()) {
		t.Error("the link-local address takes connections after LastCalls")
	}
}

// filtered reports whether a socket has a filter. The kernel returns an error for a filter
// that does not fit into an int: see SO_GET_FILTER in socket(7).
func filtered(t *testing.T, l *net.TCPListener) bool {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var refused error
	if err := raw.Control(func(fd uintptr) { _, refused = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_GET_FILTER) }); err != nil {
		t.Fatal(err)
	}
	return refused != nil
}
