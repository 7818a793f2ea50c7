package httpserver

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func asIs(ctx context.Context, _ net.Conn) context.Context { return ctx }

// listen serves until the test ends, and returns the address.
func listen(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.server.Close()
		<-served
	})
	return l.Addr().String()
}

// say sends a request unchanged, and returns the answer.
func say(t *testing.T, address, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestBounds checks that no client can hold a connection for ever or send an endless head.
func TestBounds(t *testing.T) {
	s := New(http.NotFoundHandler(), asIs, quiet)
	for name, limit := range map[string]time.Duration{
		"head": s.server.ReadHeaderTimeout, "request": s.server.ReadTimeout, "answer": s.server.WriteTimeout, "next request": s.server.IdleTimeout,
	} {
		if limit <= 0 || limit > time.Minute {
			t.Errorf("the time limit for the %s is %s", name, limit)
		}
	}
	if resp := say(t, listen(t, s), "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 32<<10)+"\r\n\r\n"); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 32 KiB: %s", resp.Status)
	}
}

// TestHandlerKnowsTheConnection checks that the handler gets all requests, each with the
// connection as it was accepted.
func TestHandlerKnowsTheConnection(t *testing.T) {
	type key struct{}
	s := New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, ok := ConnOf(r)
		if _, plain := conn.(*net.TCPConn); !ok || !plain || r.Context().Value(key{}) != conn {
			http.Error(w, "another connection", http.StatusInternalServerError)
			return
		}
		http.Error(w, "", http.StatusTeapot)
	}), func(ctx context.Context, conn net.Conn) context.Context { return context.WithValue(ctx, key{}, conn) }, quiet)
	at := listen(t, s)
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"} {
		if resp := say(t, at, request); resp.StatusCode != http.StatusTeapot {
			t.Errorf("%q: %s", request, resp.Status)
		}
	}
	if conn, ok := ConnOf(httptest.NewRequest(http.MethodGet, "/", nil)); ok || conn != nil {
		t.Errorf("a request that no server received has the connection %v", conn)
	}
}

// TestFollow checks that a stop waits for a connection from its first moment to its end, and
// that a connection that comes during a stop is bounded like the others.
func TestFollow(t *testing.T) {
	conn := func() *clientConn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
		return &clientConn{Conn: ours}
	}
	s := New(http.NotFoundHandler(), asIs, quiet)
	for _, end := range []http.ConnState{http.StateClosed, http.StateHijacked} {
		c := conn()
		s.follow(c, http.StateNew)
		if _, known := s.conns[c]; !known || !c.silent() || c.stopping {
			t.Errorf("a new connection: known %v, silent %v, stopping %v", known, c.silent(), c.stopping)
		}
		c.ask(io.NopCloser(strings.NewReader("body")))
		if s.follow(c, http.StateActive); c.silent() || !c.sending {
			t.Errorf("a request: silent %v, sending %v", c.silent(), c.sending)
		}
		if s.follow(c, http.StateIdle); !c.silent() || c.sending {
			t.Errorf("after its answer: silent %v, sending %v", c.silent(), c.sending)
		}
		if s.follow(c, end); len(s.conns) != 0 {
			t.Errorf("the connection is still known after %s", end)
		}
	}
	c := conn()
	if c.ask(http.NoBody); c.silent() || c.sending {
		t.Errorf("a request without a body: silent %v, sending %v", c.silent(), c.sending)
	}
	s.stopWaiting()
	if s.follow(c, http.StateNew); !c.stopping {
		t.Error("a connection that comes during a stop is not bounded")
	}
}

// deadlines is a connection that notes the last deadline of reads.
type deadlines struct {
	net.Conn
	read time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = t
	return nil
}

// TestReadIsNotBoundedAfterBody checks that at a stop the time for the rest of a body is
// bounded, and that for the answer to it is not.
func TestReadIsNotBoundedAfterBody(t *testing.T) {
	under := &deadlines{}
	c := &clientConn{Conn: under}
	body := c.ask(io.NopCloser(strings.NewReader("body")))
	if c.stop(); under.read.IsZero() {
		t.Error("the rest of a body has no bound")
	}
	if _, err := io.ReadAll(body); err != nil {
		t.Fatal(err)
	}
	if !under.read.IsZero() {
		t.Errorf("after the body, reads are bounded by %v", under.read)
	}
}

// oneConn is a listener with one connection.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// TestStopCutsRequests checks that a request that goes on for too long at a stop is cut off.
func TestStopCutsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		s := New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(ended)
		}), asIs, quiet)
		l := oneConn{make(chan net.Conn, 1), make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		ours, theirs := net.Pipe()
		defer theirs.Close()
		l.conns <- ours
		if _, err := io.WriteString(theirs, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		s.stop()
		if took := time.Since(began); took != stopTime {
			t.Errorf("the stop took %v", took)
		}
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the request goes on after the stop")
		}
		<-served
	})
}

// TestStopAll checks that servers stop at the same time, since a request to one may wait for
// the other, and that all requests are answered by then.
func TestStopAll(t *testing.T) {
	var answered atomic.Int32
	began := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	stops := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	var servers []*Server
	var asking sync.WaitGroup
	for i := range 2 {
		s := New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(began[i])
			<-stops[1-i]
			answered.Add(1)
		}), asIs, quiet)
		s.server.RegisterOnShutdown(func() { close(stops[i]) })
		at := listen(t, s)
		servers = append(servers, s)
		asking.Go(func() {
			resp, err := http.Get("http://" + at)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
		<-began[i]
	}
	StopAll(servers...)
	if n := answered.Load(); n != 2 {
		t.Errorf("%d requests were answered when all had stopped, want 2", n)
	}
	asking.Wait()
}
