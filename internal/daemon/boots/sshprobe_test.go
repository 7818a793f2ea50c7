package boots

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
)

// TestAnyBanner: a guest answers at whichever of its addresses its ssh server listens.
func TestAnyBanner(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, "SSH-2.0-OpenSSH_9.2\r\n")
			_ = conn.Close()
		}
	}()
	port := netip.MustParseAddrPort(listener.Addr().String()).Port()
	silent, answers := netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.2")
	for _, tt := range []struct {
		name  string
		addrs []netip.Addr
		want  string
	}{
		{"the first address", []netip.Addr{answers, silent}, "SSH-2.0-OpenSSH_9.2"},
		{"a further address", []netip.Addr{silent, answers}, "SSH-2.0-OpenSSH_9.2"},
		{"none of them", []netip.Addr{silent}, ""},
		{"no address", nil, ""},
	} {
		banner, err := anyBanner(t.Context(), tt.addrs, port)
		if banner != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", tt.name, banner, err, tt.want)
		}
	}
}
