// Package deadline makes the time limits of connections cheap. An HTTP server
// sets up to seven deadlines for each request, nearly all of them later than
// the one before, and nearly none is ever reached; each would move a timer of
// the runtime. Here a deadline is written down, and the connection itself is
// given one only when a call is about to wait.
package deadline

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// step is the furthest ahead that a connection's own deadline is. A call that
// waits for longer is woken then and waits on; in return most deadlines that
// are set meanwhile need nothing, since the connection's own comes before them.
const step = 5 * time.Second

// Conn is a TCP connection with deadlines that cost little to set. It hides
// what would read or write beside them, such as sendfile(2). Make one with New.
type Conn struct {
	net.Conn
	tcp         *net.TCPConn
	read, write limit
}

// New takes a connection over.
func New(tcp *net.TCPConn) *Conn {
	return &Conn{Conn: tcp, tcp: tcp, read: limit{set: tcp.SetReadDeadline}, write: limit{set: tcp.SetWriteDeadline}}
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (n int, err error) {
	err = c.read.keep(func() error {
		n, err = c.tcp.Read(p)
		return err
	})
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (written int, err error) {
	err = c.write.keep(func() error {
		n, err := c.tcp.Write(p[written:])
		written += n
		return err
	})
	return written, err
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.read.want(t), c.write.want(t))
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.read.want(t) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.write.want(t) }

// CloseWrite ends the stream to the other side, which may still send.
func (c *Conn) CloseWrite() error { return c.tcp.CloseWrite() }

// SyscallConn implements syscall.Conn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.tcp.SyscallConn() }

// limit is the deadline of one direction.
type limit struct {
	set func(time.Time) error // the connection's own

	mu      sync.Mutex // of what follows
	wanted  time.Time  // zero for none
	armed   time.Time  // what the connection itself has, zero for nothing of use
	waiting int        // calls that are under way
}

// want writes a deadline down. Only a call that is under way, and would be
// woken too late, has to learn of it now.
func (l *limit) want(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = t
	if l.waiting == 0 || t.IsZero() || !l.armed.IsZero() && !t.Before(l.armed) {
		return nil
	}
	return l.arm(t)
}

// keep makes a call that may wait, again and again until it was not woken for
// a deadline, or for the one that is wanted.
func (l *limit) keep(call func() error) error {
	for woken := false; ; woken = true {
		if err := l.begin(woken); err != nil {
			return err
		}
		err := call()
		l.end()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// begin sees to it that a call is woken no later than it is wanted. It fails
// if that is now. What the connection has may be over unless the call was woken
// already: it is then woken at once, which costs less than to ask for the time
// before each call.
func (l *limit) begin(woken bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !woken && !l.armed.IsZero() && (l.wanted.IsZero() || !l.wanted.Before(l.armed)) {
		l.waiting++
		return nil
	}
	now := time.Now()
	if !l.wanted.IsZero() && !now.Before(l.wanted) {
		if !now.Before(l.armed) {
			l.armed = time.Time{}
		}
		return os.ErrDeadlineExceeded
	}
	l.waiting++
	t := now.Add(step)
	if !l.wanted.IsZero() && l.wanted.Before(t) {
		t = l.wanted
	}
	return l.arm(t)
}

func (l *limit) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
}

func (l *limit) arm(t time.Time) error {
	l.armed = t
	return l.set(t)
}
