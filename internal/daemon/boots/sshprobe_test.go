package boots

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
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

// TestSSHBanner checks that only an ssh server's first line counts, and that it is safe to
// print.
func TestSSHBanner(t *testing.T) {
	for _, tt := range []struct {
		name, sent, want string
		refusal          string // a part of the error
	}{
		{"ssh", "SSH-2.0-OpenSSH_9.2\r\nmore\r\n", "SSH-2.0-OpenSSH_9.2", ""},
		{"ssh with what a terminal obeys", "SSH-2.0-\x1b[2J\r\n", `SSH-2.0-\x1b[2J`, ""},
		{"ssh with what is not seen", "SSH-2.0-a\u00adb\r\n", `SSH-2.0-a\u00adb`, ""},
		{"a line that is too long", "SSH-2.0-" + strings.Repeat("x", 2*longestBanner) + "\r\n", "SSH-2.0-" + strings.Repeat("x", longestBanner-len("SSH-2.0-…")) + "…", ""},
		{"another protocol", "HTTP/1.0 400 Bad Request\r\n", "", "is no ssh server's"},
		{"nothing", "", "", "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := answering(t, func(conn net.Conn) {
				fmt.Fprint(conn, tt.sent)
				_ = conn.Close()
			})
			banner, err := sshBanner(t.Context(), at)
			if banner != tt.want || (err != nil) != (tt.refusal != "") || err != nil && !strings.Contains(err.Error(), tt.refusal) {
				t.Errorf("%q, %v; want %q", banner, err, tt.want)
			}
		})
	}
}

// TestSSHBannerEnds checks that a server that says nothing is not waited for after the end.
func TestSSHBannerEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	at := answering(t, func(net.Conn) { time.AfterFunc(20*time.Millisecond, cancel) }) // it is connected by then
	if banner, err := sshBanner(ctx, at); err == nil {
		t.Errorf("it says %q", banner)
	}
}

// answering listens until the test ends, and has a function answer each connection.
func answering(t *testing.T, answer func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answer(conn)
		}
	}()
	return netip.MustParseAddrPort(listener.Addr().String())
}
