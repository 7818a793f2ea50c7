package deadline

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// pair is a connection with cheap deadlines, and its other end.
func pair(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	far, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return New(near.(*net.TCPConn)), far.(*net.TCPConn)
}

const (
	soon = 20 * time.Millisecond
	late = time.Hour
)

func TestReadEndsAtTheDeadlineThatIsWantedLast(t *testing.T) {
	for name, set := range map[string]func(*Conn) error{
		"one deadline":   func(c *Conn) error { return c.SetReadDeadline(time.Now().Add(soon)) },
		"both at once":   func(c *Conn) error { return c.SetDeadline(time.Now().Add(soon)) },
		"already over":   func(c *Conn) error { return c.SetReadDeadline(time.Unix(1, 0)) },
		"later, earlier": func(c *Conn) error { return setAll(c, late, soon) },
		"earlier, later": func(c *Conn) error { return setAll(c, -late, soon) },
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := pair(t)
			if err := set(c); err != nil {
				t.Fatal(err)
			}
			_, err := c.Read(make([]byte, 1))
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("read ended with %v", err)
			}
			if e, ok := err.(net.Error); !ok || !e.Timeout() {
				t.Errorf("%T is no timeout of package net", err)
			}
		})
	}
}

func setAll(c *Conn, after ...time.Duration) error {
	for _, d := range after {
		if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
			return err
		}
	}
	return nil
}

// A server ends a read that waits by a deadline that is long over, and goes on.
func TestReadThatWaits(t *testing.T) {
	c, far := pair(t)
	result := make(chan error, 1)
	read := func() { _, err := io.ReadFull(c, make([]byte, 5)); result <- err }
	go read()
	waitUntilReading(t, c)
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the read ended with %v", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go read()
	if _, err := far.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("the next read ended with %v", err)
	}
}

func waitUntilReading(t *testing.T, c *Conn) {
	t.Helper()
	for range 1000 {
		c.read.mu.Lock()
		waiting := c.read.waiting
		c.read.mu.Unlock()
		if waiting > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("nobody reads")
}

// The connection's own deadline, which comes earlier, wakes a call for nothing.
func TestCallsGoOnWhenWokenEarly(t *testing.T) {
	c, far := pair(t)
	early := func(l *limit) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := l.arm(time.Now().Add(soon)); err != nil {
			t.Fatal(err)
		}
	}
	text := bytes.Repeat([]byte("mdserver"), 1<<20) // more than the kernel takes at once
	early(&c.read)
	early(&c.write)
	if err := c.SetDeadline(time.Now().Add(late)); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() { _, err := c.Write(text); wrote <- err }()
	time.Sleep(3 * soon) // the writer is stuck until somebody reads
	got := make([]byte, len(text))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("other bytes arrived, or fewer: %v", err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(3*soon, func() { _, _ = far.Write([]byte("x")) })
	if _, err := c.Read(got[:1]); err != nil {
		t.Error(err)
	}
}

func TestWriteEndsAtItsDeadline(t *testing.T) {
	c, _ := pair(t)
	if err := c.SetWriteDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Write(make([]byte, 16<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d bytes: %v", n, err)
	}
}

func TestClosedConnection(t *testing.T) {
	c, far := pair(t)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end read %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read ended with %v", err)
	}
}

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return New(c.(*net.TCPConn)), nil
}

// A server with all its limits serves many requests on one connection, and
// drops one that is idle for too long.
func TestServer(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	server.Listener = listener{server.Listener}
	server.Config.ReadHeaderTimeout, server.Config.ReadTimeout = time.Minute, time.Hour
	server.Config.WriteTimeout, server.Config.IdleTimeout = time.Hour, 10*soon
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
	buf := make([]byte, 4096)
	for range 100 {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		if err != nil || !bytes.HasSuffix(buf[:n], []byte("ok")) {
			t.Fatalf("%q %v", buf[:n], err)
		}
	}
	if _, err := conn.Read(buf); err != io.EOF {
		t.Errorf("an idle connection ended with %v", err)
	}
}

// BenchmarkDeadlines sets what an HTTP server sets for one request.
func BenchmarkDeadlines(b *testing.B) {
	c, _ := pair(b)
	for name, conn := range map[string]net.Conn{"here": c, "net": c.tcp} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				now := time.Now()
				for _, t := range []time.Time{now.Add(5 * time.Second), now.Add(20 * time.Second), time.Unix(1, 0), {}, now.Add(time.Minute), {}} {
					if err := conn.SetReadDeadline(t); err != nil {
						b.Fatal(err)
					}
				}
				if err := conn.SetWriteDeadline(now.Add(30 * time.Second)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
