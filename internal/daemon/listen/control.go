package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mdserver/internal/logging/once"
)

// controlPeriod is how often a controlListener looks whether its socket is still
// there.
const controlPeriod = time.Second

// controlListener listens on the control socket, and makes it again where it was
// removed or replaced: programs that clean up /run do that, and each command
// would call the server stopped.
type controlListener struct {
	path   string
	log    *slog.Logger
	closed chan struct{}

	mu    sync.Mutex
	bound *net.UnixListener
	file  fs.FileInfo // the socket's, as it was made

	complaint once.Complaint
}

func listenControl(path string, log *slog.Logger) (*controlListener, error) {
	c := &controlListener{path: path, log: log, closed: make(chan struct{})}
	if err := c.bind(); err != nil {
		return nil, err
	}
	return c, nil
}

// bind makes the socket, and lets go of the one before.
func (c *controlListener) bind() error {
	l, err := listenUnix(c.path)
	if err != nil {
		return err
	}
	file, err := os.Lstat(c.path)
	if err != nil {
		_ = l.Close()
		return fmt.Errorf("control socket: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed: // meanwhile, and Close found no socket to remove
		_ = l.Close()
		_ = os.Remove(c.path)
		return net.ErrClosed
	default:
	}
	if c.bound != nil {
		_ = c.bound.Close()
	}
	c.bound, c.file = l, file
	return nil
}

// Accept implements net.Listener.
func (c *controlListener) Accept() (net.Conn, error) {
	for {
		c.mu.Lock()
		l := c.bound
		c.mu.Unlock()
		if err := l.SetDeadline(time.Now().Add(controlPeriod)); err != nil {
			return nil, err
		}
		conn, err := l.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
		c.look()
	}
}

// look makes the socket again if it is not this server's own any more. Where
// another server listens, it stays that server's.
func (c *controlListener) look() {
	if c.own() {
		return
	}
	err := c.bind()
	switch {
	case c.complaint.New(err):
		c.log.Error("the control socket was removed or replaced; commands cannot reach this server", "error", err)
	case err == nil:
		c.log.Warn("the control socket was removed or replaced, and was created again", "path", c.path)
	}
}

func (c *controlListener) own() bool {
	now, err := os.Lstat(c.path)
	return err == nil && os.SameFile(now, c.file)
}

// Close implements net.Listener. It removes the socket if it is this server's.
func (c *controlListener) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
		close(c.closed)
	}
	if c.own() {
		_ = os.Remove(c.path)
	}
	return c.bound.Close()
}

// Addr implements net.Listener.
func (c *controlListener) Addr() net.Addr { return &net.UnixAddr{Name: c.path, Net: "unix"} }

// listenUnix makes the control socket, for the server's user and group only.
// A socket that no server listens on any more is replaced.
func listenUnix(path string) (*net.UnixListener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("another mdserver listens on %s", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("control socket: %s exists and is not a socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // another server's may be there by then
	if err := os.Chmod(path, 0o660); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}
