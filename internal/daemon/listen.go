package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/config"
)

// listeners are the two doors: TCP for guests, a Unix socket for control.
type listeners struct {
	metadata, control net.Listener
}

func (l listeners) close() {
	_ = l.metadata.Close()
	_ = l.control.Close() // removes the socket file
}

func listen(cfg *config.Config, log *slog.Logger) (listeners, error) {
	metadata, err := listenTCP(cfg.Server.ListenAddress, cfg.Server.Port, log)
	if err != nil {
		return listeners{}, err
	}
	control, err := listenUnix(cfg.Server.Socket)
	if err != nil {
		_ = metadata.Close()
		return listeners{}, err
	}
	return listeners{metadata, control}, nil
}

// listenTCP binds even to an address that this host does not have yet: the
// bridge that carries it may come up later, when libvirt starts its network.
func listenTCP(addr netip.Addr, port int, log *slog.Logger) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var err error
		controlErr := conn.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
		})
		return errors.Join(controlErr, err)
	}}
	where := net.JoinHostPort(addr.String(), strconv.Itoa(port))
	l, err := lc.Listen(context.Background(), "tcp", where)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen_address %s, port %d: another program listens there already; `ss -ltnp 'sport = :%d'` shows which", addr, port, port)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("listen_address %s, port %d: a port below 1024 needs root or CAP_NET_BIND_SERVICE", addr, port)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", where, err)
	}
	if !addr.IsUnspecified() && !addr.IsLoopback() && !hostHas(addr) {
		log.Warn("no interface of this host has the listen_address yet; is the network started?", "address", addr)
	}
	return l, nil
}

func hostHas(addr netip.Addr) bool {
	for _, own := range hostAddresses() {
		if own == addr {
			return true
		}
	}
	return false
}

func hostAddresses() []netip.Addr {
	var addrs []netip.Addr
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, prefix.Addr())
		}
	}
	return addrs
}

// listenUnix makes the control socket, for the server's user and group only.
// A socket that nobody listens on any more is replaced.
func listenUnix(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("another mdserver listens on %s", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("control socket: %s exists and is no socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// newServer bounds what one client can take: a slow or stuck one ends.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
