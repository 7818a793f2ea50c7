package admission

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/httpcommon"
	"mdserver/internal/ingress"
	"mdserver/internal/instance"
)

// guests live on the loopback network, where a test can be any of them.
type guests map[netip.Addr]*instance.Instance

func (g guests) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	inst, ok := g[addr]
	return inst, ok
}

func (g guests) ByMAC(mac instance.MAC) []*instance.Instance {
	for _, inst := range g {
		if inst.MAC == mac {
			return []*instance.Instance{inst}
		}
	}
	return nil
}

const (
	web1 = "127.9.0.1"
	web2 = "127.9.0.2"
	host = "127.0.0.1"
)

var known = guests{
	netip.MustParseAddr(web1): {Name: "web1", UUID: uuid.New()},
	netip.MustParseAddr(web2): {Name: "web2", UUID: uuid.New()},
}

var quiet = slog.New(slog.DiscardHandler)

// serve serves "hello" behind an Admission with the policy.
func serve(t *testing.T, p Policy) (*Admission, *httptest.Server) {
	t.Helper()
	return serveFor(t, p, known)
}

func serveFor(t *testing.T, p Policy, guests Guests) (*Admission, *httptest.Server) {
	t.Helper()
	kernel, err := ingress.Open(func(mac instance.MAC) bool { return len(guests.ByMAC(mac)) > 0 }, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kernel.Close(); err != nil {
			t.Error(err)
		}
	})
	admission := New(p, guests, kernel, quiet)
	lc := net.ListenConfig{Control: ingress.Control}
	lc.SetMultipathTCP(false)
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(admission.Throttled(httpcommon.Identified(admission.Caller, httpcommon.LogTo(quiet), admission.Verified(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch who := httpcommon.Caller(r); {
			case who.IsLocal():
				httpcommon.Text(w, "this host")
			case who.Guest != nil:
				httpcommon.Text(w, who.Guest.Name)
			}
		})))))
	_ = server.Listener.Close()
	server.Listener = admission.Listener(listener)
	server.Config.ConnContext = admission.ConnContext
	server.Start()
	t.Cleanup(server.Close)
	return admission, server
}

// dial returns nil if the connection was cut at once.
func dial(t *testing.T, server *httptest.Server, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	conn, err := d.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a request and returns the status, or 0 if the connection was cut.
func ask(t *testing.T, conn net.Conn) (status int, header http.Header) {
	t.Helper()
	if conn == nil {
		return 0, nil
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: md\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("no answer at all")
	}
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header
}

func expect(t *testing.T, what string, conn net.Conn, want int) {
	t.Helper()
	if status, _ := ask(t, conn); status != want {
		t.Errorf("%s: status %d, want %d", what, status, want)
	}
}

func TestConnectionsOfOneGuest(t *testing.T) {
	admission, server := serve(t, Policy{Connections: 100, GuestConnections: 2})
	first := dial(t, server, web1)
	expect(t, "the first connection", first, 200)
	expect(t, "the second connection", dial(t, server, web1), 200)
	expect(t, "one too many", dial(t, server, web1), 0)
	expect(t, "another guest", dial(t, server, web2), 200)
	expect(t, "this host", dial(t, server, host), 200)
	if n := admission.Counts().Connections; n != 1 {
		t.Errorf("%d connections counted as refused, want 1", n)
	}
	_ = first.Close()
	eventually(t, "room after one was closed", func() bool {
		status, _ := ask(t, dial(t, server, web1))
		return status == 200
	})
}

func TestConnectionsInAll(t *testing.T) {
	_, server := serve(t, Policy{Connections: 1, GuestConnections: 1})
	expect(t, "web1", dial(t, server, web1), 200)
	expect(t, "web2", dial(t, server, web2), 0)
	for range 3 {
		expect(t, "this host, which has no limit", dial(t, server, host), 200)
	}
}

func TestRequestRate(t *testing.T) {
	admission, server := serve(t, Policy{Connections: 100, GuestConnections: 100, RequestRate: 1})
	conn := dial(t, server, web1)
	var status int
	var header http.Header
	for range 50 { // ten are saved up, and each refusal takes a while
		if status, header = ask(t, conn); status != 200 {
			break
		}
	}
	if status != 503 || header.Get("Retry-After") != "1" {
		t.Fatalf("after a flood: %d %v, want 503 and Retry-After", status, header)
	}
	expect(t, "a new connection of the same guest", dial(t, server, web1), 503)
	expect(t, "another guest", dial(t, server, web2), 200)
	if admission.Counts().Requests < 2 {
		t.Errorf("%+v", admission.Counts())
	}
	admission.SetPolicy(Policy{Connections: 100, GuestConnections: 100})
	expect(t, "after the limit was lifted", conn, 200)
}

func TestLoopbackIsOpenWhateverTheInterfaces(t *testing.T) {
	_, server := serve(t, Policy{Connections: 9, GuestConnections: 9, Interfaces: []string{"br-mds"}, Verify: VerifyAll})
	expect(t, "this host", dial(t, server, host), 200)
}

// What is kept of clients does not grow with the number of those that were
// here once.
func TestIdleClientsAreForgotten(t *testing.T) {
	d := New(Policy{Connections: 1 << 20, GuestConnections: 2, RequestRate: 100}, known, nil, quiet)
	enter := func() *conn {
		c := &conn{verdict: verdict{guest: &instance.Instance{UUID: uuid.New()}}, admission: d}
		if !d.enter(c) {
			t.Fatal("a guest's first connection was refused")
		}
		return c
	}
	busy, flooding := enter(), enter()
	for d.allow(flooding.client) {
	}
	d.leave(flooding)
	for range 20 * minClients {
		d.leave(enter())
	}
	if n := len(d.clients); n > 2*minClients {
		t.Errorf("%d clients are kept", n)
	}
	for _, c := range []*conn{busy, flooding} {
		if d.clients[c.client.key] != c.client {
			t.Error("one that has a connection, or sent too much, was forgotten")
		}
	}
	if d.open != 1 {
		t.Errorf("%d connections are counted, want 1", d.open)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("in vain: ", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
