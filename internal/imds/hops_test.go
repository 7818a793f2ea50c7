package imds

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
)

type everybody struct{ guest instance.Instance }

func (e *everybody) ByAddr(netip.Addr) (*instance.Instance, bool) { return &e.guest, true }

// The answer with a token, and what follows on its connection, carry the hop
// limit; an ordinary answer carries the kernel's own.
func TestHopLimitIsSetOnTheSocket(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			conns := make(chan net.Conn, 1)
			server := httptest.NewUnstartedServer(nil)
			_ = server.Listener.Close()
			server.Listener = &spy{listener, conns}
			log := slog.New(slog.DiscardHandler)
			gate := New(Settings{Mode: instance.IMDSOptional, HopLimit: 3, Versions: []string{"latest"}}, NewKey(), &Counts{}, log).EC2(
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { httpcommon.Text(w, "value") }))
			server.Config.Handler = httpcommon.Identified(frontendtest.Identify(&everybody{instance.Instance{UUID: web1}}), httpcommon.LogTo(log), gate)
			server.Config.ConnContext = WithConn
			server.Start()
			defer server.Close()

			send(t, server, http.MethodGet, "/latest/meta-data/")
			conn := <-conns
			if hops := hopLimit(t, conn); hops == 3 {
				t.Error("an answer without a token is limited already")
			}
			send(t, server, http.MethodPut, "/latest/api/token")
			if hops := hopLimit(t, conn); hops != 3 {
				t.Errorf("hop limit %d, want 3", hops)
			}
		})
	}
}

type spy struct {
	net.Listener
	conns chan net.Conn
}

func (s *spy) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err == nil {
		s.conns <- conn
	}
	return conn, err
}

func send(t *testing.T, server *httptest.Server, method, path string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(HeaderTTL, "60")
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, body, err)
	}
}

func hopLimit(t *testing.T, conn net.Conn) (hops int) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	level, option := unix.SOL_IP, unix.IP_TTL
	if isIPv6(conn.RemoteAddr()) {
		level, option = unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS
	}
	var getErr error
	if err := raw.Control(func(fd uintptr) { hops, getErr = unix.GetsockoptInt(int(fd), level, option) }); err != nil || getErr != nil {
		t.Fatal(err, getErr)
	}
	return hops
}
