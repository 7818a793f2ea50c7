package listen

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"
)

// rebindPeriod is how often a scopedListener looks for its interface.
const rebindPeriod = 2 * time.Second

// scopedListener listens on a link-local address. Such an address belongs to an
// interface, by number: there is nothing to bind to before the interface is there,
// and the socket is dead when it is gone. So it waits for its interface, and binds
// again when that was created again, as libvirt does whenever it starts its
// network.
type scopedListener struct {
	addr   netip.Addr // with its zone
	port   int
	log    *slog.Logger
	closed chan struct{}

	mu    sync.Mutex
	bound *net.TCPListener // or nil
	index int              // of the interface that it is bound to
}

func listenScoped(addr netip.Addr, port int, log *slog.Logger) *scopedListener {
	s := &scopedListener{addr: addr, port: port, log: log, closed: make(chan struct{})}
	if _, err := s.listener(); err != nil {
		log.Warn("not listening on a link-local address yet; is the network started?", "address", addr, "error", err)
	}
	return s
}

// listener gives the socket of the present interface.
func (s *scopedListener) listener() (*net.TCPListener, error) {
	iface, err := net.InterfaceByName(s.addr.Zone())
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return nil, net.ErrClosed
	default:
	}
	if err == nil && s.bound != nil && s.index == iface.Index {
		return s.bound, nil
	}
	if s.bound != nil {
		_ = s.bound.Close()
		s.bound = nil
	}
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", s.addr.Zone(), err)
	}
	// By number: package net remembers the numbers of names for a minute.
	if s.bound, err = bindTCP(s.addr.WithZone(strconv.Itoa(iface.Index)), s.port); err != nil {
		s.bound = nil
		return nil, err
	}
	s.index = iface.Index
	return s.bound, nil
}

// socket returns the present socket, or nil.
func (s *scopedListener) socket() *net.TCPListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}

// Accept implements net.Listener. Its one error is net.ErrClosed.
func (s *scopedListener) Accept() (net.Conn, error) {
	for {
		l, err := s.listener()
		if err == nil {
			var conn net.Conn
			if conn, err = accept(l); err == nil {
				return conn, nil
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		select {
		case <-s.closed:
			return nil, net.ErrClosed
		case <-time.After(rebindPeriod):
		}
	}
}

func accept(l *net.TCPListener) (net.Conn, error) {
	if err := l.SetDeadline(time.Now().Add(rebindPeriod)); err != nil {
		return nil, err
	}
	return l.Accept()
}

// Close implements net.Listener.
func (s *scopedListener) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
		close(s.closed)
	}
	if s.bound == nil {
		return nil
	}
	return s.bound.Close()
}

// Addr implements net.Listener.
func (s *scopedListener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.addr, uint16(s.port)))
}
