// Package connection reaches libvirt on this host by its RPC protocol, without
// libvirt's own library. It knows the one daemon of old (libvirtd) and the
// daemons for each driver (virtqemud, virtnetworkd), the system's and a
// user's. A call cannot outlast its context, even if the daemon hangs.
package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	libvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/sockdiag"
)

// partingTime is how long one who leaves waits for a daemon that does not answer.
const partingTime = time.Second

// Conn is one connection to a daemon. It is safe for concurrent use and is not
// used again once it broke: a new one is dialled.
type Conn struct {
	rpc     *libvirt.Libvirt
	socket  string
	process int
	conn    *watched
}

// Dial connects to the daemon for a driver. The error names every socket that
// was tried.
func Dial(ctx context.Context, e Endpoint, driver Driver) (*Conn, error) {
	sockets, err := e.Sockets(driver)
	if err != nil {
		return nil, err
	}
	return dialAny(ctx, e, driver, sockets)
}

// DialReader connects for reading and for events alone. Where this process may
// not change anything it takes the sockets that libvirt has for everybody.
func DialReader(ctx context.Context, e Endpoint, driver Driver) (*Conn, error) {
	sockets, err := e.Sockets(driver)
	if err != nil {
		return nil, err
	}
	return dialAny(ctx, e, driver, append(sockets, e.readOnly(sockets)...))
}

func dialAny(ctx context.Context, e Endpoint, driver Driver, sockets []string) (*Conn, error) {
	var failures []error
	for _, socket := range sockets {
		c, err := dial(ctx, e.dialer(), socket, e.uri(driver, socket))
		if err == nil {
			return c, nil
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("connecting to libvirt: %w", errors.Join(failures...))
}

// OpenError is the failure of a socket that accepts connections, but does not answer
// as libvirt does.
type OpenError struct {
	Socket string
	uri    libvirt.ConnectURI
	err    error
}

func (e *OpenError) Error() string { return fmt.Sprintf("%s: opening %s: %v", e.Socket, e.uri, e.err) }

// Unwrap returns the reason.
func (e *OpenError) Unwrap() error { return e.err }

// IsDenied reports whether libvirt answered that this process may not connect.
func IsDenied(err error) bool {
	if _, opening := errors.AsType[*OpenError](err); !opening {
		return false
	}
	answer, answered := errors.AsType[libvirt.Error](err)
	return answered && slices.Contains(denials, libvirt.ErrorNumber(answer.Code))
}

var denials = []libvirt.ErrorNumber{libvirt.ErrAuthFailed, libvirt.ErrAuthCancelled, libvirt.ErrAuthUnavailable, libvirt.ErrAccessDenied}

func dial(ctx context.Context, dialer Dialer, socket string, uri libvirt.ConnectURI) (*Conn, error) {
	raw, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	conn := watch(&guarded{Conn: raw})
	c := &Conn{rpc: libvirt.NewWithDialer(conn), socket: socket, process: listener(raw), conn: conn}
	err = c.Do(ctx, func(l *libvirt.Libvirt) error { return l.ConnectToURI(uri) })
	if err != nil {
		c.Close()
		return nil, &OpenError{Socket: socket, uri: uri, err: err}
	}
	return c, nil
}

// Do makes calls. If ctx ends before they are answered the connection is
// closed, for nothing else ends a call that the daemon does not answer; the
// error is then the context's.
func (c *Conn) Do(ctx context.Context, calls func(*libvirt.Libvirt) error) error {
	answered := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { c.abandon(ctx, answered) })
	err := calls(c.rpc)
	close(answered)
	if !stop() && ctx.Err() != nil {
		return fmt.Errorf("libvirt at %s did not answer: %w", c.socket, context.Cause(ctx))
	}
	return err
}

// abandon closes the connection unless the calls are answered. If the context was
// cancelled and has not run out of time, it first leaves the daemon partingTime to
// answer: libvirtd logs an error if a client ends the connection during a call, and
// version 9.0 crashes if the call adds an event.
func (c *Conn) abandon(ctx context.Context, answered <-chan struct{}) {
	if errors.Is(ctx.Err(), context.Canceled) {
		select {
		case <-answered:
			return
		case <-time.After(partingTime):
		}
	}
	c.conn.shut()
}

// RPC returns the client, for subscriptions, whose contexts are their own.
func (c *Conn) RPC() *libvirt.Libvirt { return c.rpc }

// Socket returns the path of the socket that answered.
func (c *Conn) Socket() string { return c.socket }

// Process returns the process that listens on the socket, which is systemd where that
// starts the daemon; 0 if it is not known.
func (c *Conn) Process() int { return c.process }

func listener(raw net.Conn) int {
	socket, ok := raw.(*net.UnixConn)
	if !ok {
		return 0
	}
	pid, _ := sockdiag.PeerProcess(socket) // 0 is as good as the error
	return pid
}

// Done is closed when the connection is lost or was closed.
func (c *Conn) Done() <-chan struct{} { return c.conn.done }

// Close ends the connection and waits until nothing reads from it any more. It tells
// the daemon first, which logs an error about each client that goes without a word.
func (c *Conn) Close() {
	late := time.AfterFunc(partingTime, c.conn.shut)
	defer late.Stop()
	if err := c.rpc.ConnectClose(); err != nil {
		c.conn.shut()
	}
	<-c.conn.done // the daemon hangs up after its answer
}

// watched is a connection that tells when it has ended. The client has a
// channel for that, too, but makes it only after the connection is open, and
// so misses an end that comes early.
type watched struct {
	net.Conn
	end  func()
	done chan struct{}
}

func watch(conn net.Conn) *watched {
	w := &watched{Conn: conn, done: make(chan struct{})}
	w.end = sync.OnceFunc(func() { close(w.done) })
	return w
}

// Dial implements go-libvirt's socket.Dialer.
func (w *watched) Dial() (net.Conn, error) { return w, nil }

// Read implements io.Reader for the one goroutine that reads, which leaves
// after an error.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.end()
	}
	return n, err
}

func (w *watched) shut() { _ = w.Conn.Close() }
