package launcher

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"mdserver/internal/sockdiag"
)

// Socket is the path of a launcher's socket.
type Socket string

// patience bounds the wait for the first message of either end.
const patience = 5 * time.Second

// User is the user that the launcher runs as.
func (s Socket) User() (uid uint32, err error) {
	conn, err := s.dial()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return sockdiag.PeerUser(conn)
}

func (s Socket) dial() (*net.UnixConn, error) {
	conn, err := net.DialUnix(network, nil, &net.UnixAddr{Name: string(s), Net: network})
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	return conn, nil
}

// ask sends the first message and waits for its answer.
func (s Socket) ask(r request, file *os.File) (*net.UnixConn, int, error) {
	conn, err := s.dial()
	if err != nil {
		return nil, 0, err
	}
	var answer reply
	err = send(conn, r, file)
	if err == nil || errors.Is(err, syscall.EPIPE) { // a refusal may be there already
		_, err = receiveWithin(conn, patience, &answer)
		if errors.Is(err, syscall.ECONNRESET) { // the launcher closed before it read r; its refusal comes next
			if _, refused := receiveWithin(conn, patience, &answer); refused == nil {
				err = nil
			}
		}
	}
	if err == nil && answer.Error != "" {
		err = errors.New(answer.Error)
	}
	if err != nil {
		_ = conn.Close()
		return nil, 0, fmt.Errorf("launcher: %w", err)
	}
	return conn, answer.PID, nil
}

// Signal sends a signal to a process of the launcher's user that it need not
// have started.
func (s Socket) Signal(pid int, signal syscall.Signal) error {
	conn, _, err := s.ask(request{PID: pid, Signal: int(signal)}, nil)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Start starts a command whose output goes to a file. Wait must be called.
func (s Socket) Start(command []string, output *os.File) (*Process, error) {
	conn, pid, err := s.ask(request{Command: command}, output)
	if err != nil {
		return nil, err
	}
	return &Process{PID: pid, conn: conn}, nil
}

// Process was started by a launcher.
type Process struct {
	PID int

	conn *net.UnixConn
	mu   sync.Mutex // one signal at a time
	done bool
}

// Signal sends a signal to the process; os.ErrProcessDone says that it has
// ended.
func (p *Process) Signal(signal os.Signal) error {
	number, ok := signal.(syscall.Signal)
	if !ok {
		return fmt.Errorf("launcher: %v is not a Unix signal", signal)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return os.ErrProcessDone
	}
	if err := send(p.conn, request{Signal: int(number)}, nil); err != nil {
		return os.ErrProcessDone // with the launcher
	}
	return nil
}

// Wait waits for the end of the process. An error tells its exit status,
// unless that is 0.
func (p *Process) Wait() error {
	defer p.conn.Close()
	var answer reply
	_, err := receive(p.conn, &answer)
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	switch {
	case err != nil:
		return fmt.Errorf("the launcher has ended: %w", err)
	case answer.Error != "":
		return fmt.Errorf("launcher: %s", answer.Error)
	case answer.Exited == "exit status 0":
		return nil
	}
	return errors.New(answer.Exited)
}
