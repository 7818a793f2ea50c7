package httpserver

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// clientConn is a connection to a client, with a bound for silent clients at a stop:
// from then on, each read of a request and each write of an answer may take as long
// as silence says.
type clientConn struct {
	net.Conn

	mu       sync.Mutex
	asked    bool // a request is being answered
	sending  bool // its body has not been read to the end
	writing  bool // a write has not returned
	stopping bool
	late     bool // a read timed out
}

// idle notes that no request is being answered.
func (c *clientConn) idle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.sending = false, false
}

// ask notes that a request, or its head at least, has arrived, and returns its body.
func (c *clientConn) ask(body io.ReadCloser) io.ReadCloser {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.sending = true, body != http.NoBody
	if !c.sending {
		return body
	}
	return &requestBody{body, c}
}

// silent reports whether the connection has no request to be answered.
func (c *clientConn) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.asked
}

// stop bounds the reads and writes in progress, and those that follow.
func (c *clientConn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.sending {
		_ = c.SetReadDeadline(time.Now().Add(silence))
	}
	if c.writing {
		_ = c.SetWriteDeadline(time.Now().Add(silence))
	}
}

// Read implements net.Conn. After a body, http.Server reads to learn whether the
// client leaves; that read is not bounded, since it would end the request.
func (c *clientConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	if c.stopping && c.sending && !c.late { // http.Server reads on after an error
		_ = c.SetReadDeadline(time.Now().Add(silence))
	}
	c.mu.Unlock()
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.mu.Lock()
		c.late = true
		c.mu.Unlock()
	}
	return n, err
}

// Write implements net.Conn.
func (c *clientConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writing = true
	if c.stopping {
		_ = c.SetWriteDeadline(time.Now().Add(silence))
	}
	c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.writing = false
	c.mu.Unlock()
	return n, err
}

// received notes that the body of a request has been read to its end.
func (c *clientConn) received() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping && c.sending {
		_ = c.SetReadDeadline(time.Time{})
	}
	c.sending = false
}

// requestBody notes the end of a body.
type requestBody struct {
	io.ReadCloser
	conn *clientConn
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.conn.received()
	}
	return n, err
}
