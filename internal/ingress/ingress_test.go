package ingress

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"mdserver/internal/instance"
)

func open(t *testing.T) *Kernel {
	t.Helper()
	k, err := Open(func(instance.MAC) bool { return true }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// connect makes a connection and returns the accepted end.
func connect(t *testing.T, control bool, listen string, from net.Addr) *net.TCPConn {
	t.Helper()
	lc := net.ListenConfig{}
	if control {
		lc.Control = Control
	}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(t.Context(), "tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	out, err := (&net.Dialer{LocalAddr: from}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return in.(*net.TCPConn)
}

func TestThisHostComesByItsLoopbackInterface(t *testing.T) {
	k := open(t)
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		s, err := k.Source(connect(t, true, listen, nil))
		if err != nil || !s.Loopback() || s.Index == 0 || !s.MAC.IsZero() || !s.Addr().IsLoopback() {
			t.Errorf("%s: %+v, %v", listen, s, err)
		}
	}
	s, err := k.Source(connect(t, true, "[::]:0", &net.TCPAddr{IP: net.IPv4(127, 1, 2, 3)}))
	if err != nil || !s.Loopback() || s.Addr() != netip.MustParseAddr("127.1.2.3") {
		t.Errorf("IPv4 on a socket for both: %+v, %v", s, err)
	}
}

// This host's own address says nothing; the interface does.
func TestThisHostByAnAddressOfAnotherInterface(t *testing.T) {
	k := open(t)
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		ip := a.(*net.IPNet).IP
		if ip.IsLinkLocalUnicast() {
			continue
		}
		s, err := k.Source(connect(t, true, net.JoinHostPort(ip.String(), "0"), nil))
		if err != nil || !s.Loopback() {
			t.Errorf("%s: %+v, %v", ip, s, err)
		}
	}
}

func TestASocketThatKeepsNoSYN(t *testing.T) {
	k := open(t)
	if _, err := k.Source(connect(t, false, "127.0.0.1:0", nil)); err == nil {
		t.Error("the sender was told all the same")
	}
}

func TestNeighbourOfNobody(t *testing.T) {
	if mac, err := neighbour(1, netip.MustParseAddr("192.0.2.77")); err == nil {
		t.Errorf("MAC %s of an address that nobody has", mac)
	}
}

func TestExists(t *testing.T) {
	if !Exists("lo") || Exists("no-such-tap") {
		t.Error("an interface is not told from none")
	}
}

// TestPins checks that an entry stays pinned until the last connection that needs it has
// ended.
func TestPins(t *testing.T) {
	var p pins
	one, other := neighbourKey{3, netip.MustParseAddr("fe80::1")}, neighbourKey{4, netip.MustParseAddr("fe80::1")}
	for _, key := range []neighbourKey{one, other, one} {
		p.hold(key)
	}
	for i, step := range []struct {
		key  neighbourKey
		last bool
	}{{one, false}, {other, true}, {one, true}} {
		if got := p.letGo(step.key); got != step.last {
			t.Errorf("end %d: last is %v, want %v", i, got, step.last)
		}
	}
	if len(p.held) > 0 {
		t.Errorf("%v is left", p.held)
	}
}

func TestMadeFor(t *testing.T) {
	guest := instance.MAC{0x52, 0x54, 0, 1, 2, 3}
	for mac, want := range map[instance.MAC]bool{
		{0xfe, 0x54, 0, 1, 2, 3}: true, {0xfa, 0x54, 0, 1, 2, 3}: true, {0xfe, 0x54, 0, 1, 2, 4}: false, {0xfe, 0x55, 0, 1, 2, 3}: false,
		{0x52, 0x54, 0, 1, 2, 3}: false, {0x02, 0x54, 0, 1, 2, 3}: false, {}: false, // addresses that a guest may have itself
	} {
		if got := (Port{MAC: mac}).MadeFor(guest); got != want {
			t.Errorf("%s: %v, want %v", mac, got, want)
		}
	}
}
