// Package listen opens the sockets that the server is asked at, for guests and for
// commands. They stay usable when an address, an interface or the control socket's
// file comes later, goes, or is made again.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"mdserver/internal/config"
	"mdserver/internal/hostaddr"
	"mdserver/internal/ingress"
)

// Sockets are what the server listens on: TCP for guests, a Unix socket for control.
type Sockets struct {
	Metadata []net.Listener // on listen_address first
	Control  net.Listener
}

// Close closes those that are open. It removes the control socket's file.
func (s Sockets) Close() {
	for _, m := range s.Metadata {
		_ = m.Close()
	}
	if s.Control != nil {
		_ = s.Control.Close()
	}
}

// String lists where guests are served.
func (s Sockets) String() string {
	var addrs []string
	for _, m := range s.Metadata {
		addrs = append(addrs, m.Addr().String())
	}
	return strings.Join(addrs, ", ")
}

// Open opens all sockets of a configuration. A failure leaves none open.
func Open(cfg *config.Config, log *slog.Logger) (Sockets, error) {
	var all Sockets
	for _, addr := range append([]netip.Addr{cfg.Server.ListenAddress}, cfg.ListenAddresses6()...) {
		l, err := listenTCP(addr, cfg.Server.Port, log)
		if err != nil {
			all.Close()
			return Sockets{}, err
		}
		all.Metadata = append(all.Metadata, l)
	}
	control, err := listenControl(cfg.Server.Socket, log)
	if err != nil {
		all.Close()
		return Sockets{}, err
	}
	all.Control = control
	return all, nil
}

// listenTCP listens on an address even before this host has it.
func listenTCP(addr netip.Addr, port int, log *slog.Logger) (net.Listener, error) {
	if addr.Zone() != "" {
		return listenScoped(addr, port, log), nil
	}
	l, err := bindTCP(addr, port)
	if err != nil {
		return nil, explained(err, addr, port)
	}
	if !addr.IsUnspecified() && !addr.IsLoopback() && !hostaddr.Has(addr) {
		log.Warn("no interface has the listen address yet; is the network started?", "address", addr)
	}
	return l, nil
}

// explained says what keeps an address from being bound, if it is known.
func explained(err error, addr netip.Addr, port int) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen address %s, port %d: another program listens there already; find it with `ss -ltnp 'sport = :%d'`", addr, port, port)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("listen address %s, port %d: a port below 1024 needs root or CAP_NET_BIND_SERVICE", addr, port)
	}
	return err
}

// bindTCP binds even to an address that this host does not have yet: the
// bridge that carries it may come up later, when libvirt starts its network.
func bindTCP(addr netip.Addr, port int) (*net.TCPListener, error) {
	network, level, option := "tcp4", unix.SOL_IP, unix.IP_FREEBIND
	if addr.Is6() {
		network, level, option = "tcp6", unix.SOL_IPV6, unix.IPV6_FREEBIND
	}
	if addr == netip.IPv6Unspecified() {
		network = "tcp" // takes IPv4, too
	}
	lc := net.ListenConfig{Control: func(network, address string, conn syscall.RawConn) error {
		var err error
		controlErr := conn.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
		return errors.Join(controlErr, err, ingress.Control(network, address, conn))
	}}
	lc.SetMultipathTCP(false) // it hides the hop limit and the interface of a connection
	where := net.JoinHostPort(addr.String(), strconv.Itoa(port))
	l, err := lc.Listen(context.Background(), network, where)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", where, err)
	}
	return l.(*net.TCPListener), nil
}
