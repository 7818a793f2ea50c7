package httpserver

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// slow is how long a request for /slow takes: longer than a silent client is waited for.
const slow = silence + silence/2

// serveTest serves a handler as the server does, and returns a connection to it.
func serveTest(t *testing.T) (*Server, net.Conn) {
	t.Helper()
	s := New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 64<<20))
		case "/slow":
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-time.After(slow):
			case <-r.Context().Done():
				http.Error(w, "cancelled", http.StatusInternalServerError)
			}
		case "/read":
			if _, err := io.Copy(w, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		}
	}), func(ctx context.Context, _ net.Conn) context.Context { return ctx }, slog.New(slog.DiscardHandler))
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
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return s, conn
}

// TestStopCutsSilentClients: stopTime is for clients that still send or read.
func TestStopCutsSilentClients(t *testing.T) {
	for name, sent := range map[string]string{
		"nothing":                   "",
		"half a head":               "GET / HTTP/1.1\r\nHost:",
		"half a body":               "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
		"half a chunk":              "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
		"no body":                   "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
		"a body that nobody reads":  "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
		"an answer that is unread":  "GET /long HTTP/1.1\r\nHost: x\r\n\r\n",
		"half a body after another": "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nxPOST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, conn := serveTest(t)
			go func() { _, _ = io.WriteString(conn, sent) }()
			time.Sleep(50 * time.Millisecond) // the request is on its way
			began := time.Now()
			s.stop()
			took := time.Since(began)
			if took >= stopTime {
				t.Errorf("the stop took %v", took)
			}
			t.Logf("the stop took %v", took.Round(time.Millisecond))
		})
	}
}

// TestStopAnswers: what has arrived, or still arrives, is answered.
func TestStopAnswers(t *testing.T) {
	long := "0123456789"
	for name, pieces := range map[string][]string{
		"a slow request":               {"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"},
		"a slow request with a body":   {"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"},
		"a slow request with chunks":   {"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
		"a body that arrives by bytes": append([]string{"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"}, strings.Split(long, "")...),
		"a body that ends slowly":      append([]string{"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"}, strings.Split(long, "")...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, conn := serveTest(t)
			if _, err := io.WriteString(conn, pieces[0]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond) // the head has arrived
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				s.stop()
			}()
			for _, piece := range pieces[1:] {
				time.Sleep(silence / 6)
				if _, err := io.WriteString(conn, piece); err != nil {
					t.Fatal(err)
				}
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || err != nil {
				t.Errorf("%s %q %v", resp.Status, body, err)
			}
			<-stopped
		})
	}
}
