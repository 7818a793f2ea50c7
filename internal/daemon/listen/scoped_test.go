package listen

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
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
