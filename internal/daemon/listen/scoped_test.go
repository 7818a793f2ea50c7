package listen

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// A server starts before its network does, and stops without it, too.
func TestScopedListenerWaitsForItsInterface(t *testing.T) {
	l := listenScoped(netip.MustParseAddr("fe80::1%nosuch0"), 80, slog.New(slog.DiscardHandler))
	if got := l.Addr().String(); got != "[fe80::1%nosuch0]:80" {
		t.Errorf("address %s", got)
	}
	accepted := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ends with %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
}

// TestScopedListenerFollowsItsInterface checks that a socket is kept while its interface stays
// the same, and made again when the interface was made again.
func TestScopedListenerFollowsItsInterface(t *testing.T) {
	s := listenScoped(netip.MustParseAddr("fe80::1%lo"), 0, slog.New(slog.DiscardHandler))
	first, err := s.listener()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.listener(); err != nil || again != first || s.socket() != first {
		t.Errorf("another socket for the same interface, %v", err)
	}
	if addr := first.Addr().(*net.TCPAddr); addr.Zone != "lo" || !addr.IP.Equal(net.ParseIP("fe80::1")) {
		t.Errorf("it listens on %s", addr)
	}
	s.index = 1 << 20 // as if the interface had been made again, with another number
	second, err := s.listener()
	if err != nil || second == first {
		t.Fatalf("the same socket for another interface, %v", err)
	}
	if _, err := first.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the former socket is open: %v", err)
	}
	if again, err := s.listener(); err != nil || again != second {
		t.Errorf("another socket for the interface that is there, %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := second.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is open after Close: %v", err)
	}
	if _, err := s.listener(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listener after Close: %v", err)
	}
}

// TestScopedListenerLosesItsInterface checks that a socket is closed when its interface is
// gone.
func TestScopedListenerLosesItsInterface(t *testing.T) {
	s := listenScoped(netip.MustParseAddr("fe80::1%lo"), 0, slog.New(slog.DiscardHandler))
	defer s.Close()
	bound := s.socket()
	s.addr = s.addr.WithZone("nosuch0")
	if _, err := s.listener(); err == nil || s.socket() != nil {
		t.Errorf("it still has a socket: %v", err)
	}
	if _, err := bound.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is open: %v", err)
	}
}

// TestListenOnALinkLocalAddress checks that a link-local address waits for its interface, with
// a warning.
func TestListenOnALinkLocalAddress(t *testing.T) {
	for zone, warned := range map[string]bool{"lo": false, "nosuch0": true} {
		var log bytes.Buffer
		l, err := listenTCP(netip.MustParseAddr("fe80::1%"+zone), 0, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if got := strings.Contains(log.String(), "not listening on a link-local address yet"); got != warned {
			t.Errorf("%s: %s", zone, &log)
		}
	}
}
