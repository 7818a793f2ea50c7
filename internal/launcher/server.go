package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"mdserver/internal/sockdiag"
)

// grace is the time between SIGTERM and SIGKILL for a process whose server is
// gone.
const grace = 3 * time.Second

// pause is the time after a connection that could not be accepted, such as for
// want of file descriptors.
const pause = 100 * time.Millisecond

// Server starts processes for one user.
type Server struct {
	Client uint32 // the user that may ask, besides root
	Log    *slog.Logger
}

// Listen makes the socket. Everybody may connect: who asks is known by the
// connection.
func Listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("launcher's socket: %w", err)
	}
	l, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
	if err != nil {
		return nil, fmt.Errorf("launcher's socket: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("launcher's socket: %w", err)
	}
	return l, nil
}

// Serve takes connections until the context ends, and waits for the processes
// that it then stops. The processes of others go on where a connection cannot be
// accepted.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := l.AcceptUnix()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.Log.Warn("launcher", "error", err)
			time.Sleep(pause)
			continue
		}
		serving.Go(func() {
			defer conn.Close()
			closeConn := context.AfterFunc(ctx, func() { _ = conn.CloseRead() })
			defer closeConn()
			if err := s.serve(conn); err != nil {
				s.Log.Warn("launcher", "error", err)
				_ = send(conn, reply{Error: err.Error()}, nil) // the other end may be gone
			}
		})
	}
}

func (s *Server) serve(conn *net.UnixConn) error {
	uid, err := sockdiag.PeerUser(conn)
	if err != nil {
		return err
	}
	if !s.mayAsk(uid) {
		// This is not logged, even if the other end is gone: any user could fill the log.
		_ = send(conn, reply{Error: fmt.Sprintf("user %d has no access, only %d and root", uid, s.Client)}, nil)
		return nil
	}
	var r request
	output, err := receiveWithin(conn, patience, &r)
	if errors.Is(err, io.EOF) {
		return nil // only who runs here was asked
	}
	if err != nil {
		return err
	}
	if output != nil {
		defer output.Close()
	}
	switch {
	case r.PID > 0:
		if err := syscall.Kill(r.PID, syscall.Signal(r.Signal)); err != nil {
			return fmt.Errorf("signal process %d: %w", r.PID, err)
		}
		return send(conn, reply{PID: r.PID}, nil)
	case len(r.Command) == 0:
		return errors.New("the command is missing")
	}
	return run(conn, r.Command, output)
}

// mayAsk reports whether a user may start and signal processes.
func (s *Server) mayAsk(uid uint32) bool { return uid == 0 || uid == s.Client }

// run starts a command and does with it what the connection asks, until either
// ends. The process ends with this thread, and so with the launcher.
func run(conn *net.UnixConn, command []string, output *os.File) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if output != nil {
		cmd.Stdout, cmd.Stderr = output, output
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	obeyed := make(chan struct{})
	go func() {
		defer close(obeyed)
		obey(conn, cmd.Process, ended)
	}()
	_ = send(conn, reply{PID: cmd.Process.Pid}, nil) // that the other end is gone, obey notices
	_ = cmd.Wait()                                   // its outcome is in the process's state
	close(ended)
	_ = send(conn, reply{Exited: cmd.ProcessState.String()}, nil)
	_ = conn.CloseRead()
	<-obeyed
	return nil
}

// obey passes signals on until the connection ends, and then ends the process.
func obey(conn *net.UnixConn, process *os.Process, ended <-chan struct{}) {
	for {
		var r request
		file, err := receive(conn, &r)
		if file != nil {
			_ = file.Close()
		}
		if err != nil {
			break
		}
		_ = process.Signal(syscall.Signal(r.Signal)) // it may have ended
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-ended:
			return
		default:
		}
		_ = process.Signal(signal)
		select {
		case <-ended:
			return
		case <-time.After(grace):
		}
	}
}
