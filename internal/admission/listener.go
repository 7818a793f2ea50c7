package admission

import (
	"context"
	"net"
	"sync"
	"time"
)

// Listener lets in what the policy allows; what there is too much of is cut
// off at once. Its sockets must have been made with ingress.Control.
func (d *Admission) Listener(l net.Listener) net.Listener {
	return &listener{Listener: l, admission: d}
}

type listener struct {
	net.Listener
	admission *Admission
	warned    time.Time
	unsaid    int
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := accepted.(*net.TCPConn)
		if !ok {
			return accepted, nil // nothing that guests could come by
		}
		c, err := l.admission.receive(tcp)
		if err != nil {
			l.warn(tcp, err)
		} else if l.admission.enter(c) {
			l.admission.review([]*conn{c}) // what changed before it was counted in
			return c, nil
		} else {
			c.unpin()
		}
		reset(tcp)
	}
}

// warn logs some of the connections that the kernel reports too little about.
func (l *listener) warn(tcp *net.TCPConn, err error) {
	l.admission.unknown.Add(1)
	if time.Since(l.warned) < warnTime {
		l.unsaid++
		return
	}
	l.admission.log.Warn("connection refused: its sender cannot be determined", "client", tcp.RemoteAddr(), "error", err, "left_out", l.unsaid)
	l.warned, l.unsaid = time.Now(), 0
}

// reset ends a connection and leaves nothing of it behind in the kernel.
func reset(tcp *net.TCPConn) {
	_ = tcp.SetLinger(0)
	_ = tcp.Close()
}

// conn is an accepted connection and what is known of its other end.
type conn struct {
	*net.TCPConn
	admission *Admission
	client    *client
	facts
	verdict verdict // when it was accepted: whose connection it is
	release func()  // nil, or what undoes the pinning of the sender's MAC
	closing sync.Once
}

// receive finds out who made a connection.
func (d *Admission) receive(tcp *net.TCPConn) (*conn, error) {
	c := &conn{TCPConn: tcp, admission: d}
	var err error
	if c.Source, err = d.kernel.Source(tcp); err != nil {
		return nil, err
	}
	if !c.Loopback() {
		c.port, c.portErr = d.kernel.Port(tcp, c.Source)
	}
	c.verdict = d.judge(&c.facts)
	return c, c.pin()
}

// pin keeps the answers to a guest's link-local address from others. A guest
// chooses such addresses itself, so port security cannot tell whose they are.
func (c *conn) pin() (err error) {
	if c.verdict.guest != nil && c.verdict.refusal == none && scoped(c.Addr()) {
		c.release, err = c.admission.kernel.Pin(c.Source)
	}
	return err
}

func (c *conn) unpin() {
	if c.release != nil {
		c.release()
	}
}

// Close implements net.Conn. A pinned connection lingers while there is something
// to be sent.
func (c *conn) Close() (err error) {
	c.closing.Do(func() {
		if c.release != nil {
			if left := unconfirmed(c.TCPConn); left > 0 {
				c.admission.lingering.Go(func() { c.linger(left) })
				return
			}
		}
		err = c.TCPConn.Close()
		c.admission.leave(c)
		c.unpin()
	})
	return err
}

// cut ends the connection for both sides. The goroutine that serves it notices and
// closes it.
func (c *conn) cut() { reset(c.TCPConn) }

type connKey struct{}

// ConnContext hands on what is known of a connection to its requests: it is an
// http.Server's ConnContext.
func (d *Admission) ConnContext(ctx context.Context, accepted net.Conn) context.Context {
	c, ok := accepted.(*conn)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, connKey{}, c)
}
