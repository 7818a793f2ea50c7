package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"mdserver/internal/launcher"
)

// target is a running dnsmasq that serves our files.
type target struct {
	pid    int
	epoch  int // differs between any two processes
	ours   bool
	signal func(os.Signal) error
}

// runner knows which dnsmasq serves us, if any.
type runner interface {
	// peek returns the dnsmasq that runs at this moment, or nil.
	peek() *target
	// wait does the same, but waits for one that is about to start. None and
	// no error means that none is expected.
	wait(ctx context.Context) (*target, error)
	// restart ends dnsmasq by a signal and has a new one take its place.
	restart(ctx context.Context, signal syscall.Signal) error
	// status fills in what the runner knows.
	status(*Status)
	// close ends what the runner started and waits for it.
	close() error
}

var errNotOurs = errors.New("mdserver does not run this dnsmasq, and cannot restart it")

// absent is the runner of a network without dnsmasq.
type absent struct{}

func (absent) peek() *target                         { return nil }
func (absent) wait(context.Context) (*target, error) { return nil, nil }
func (absent) status(*Status)                        {}
func (absent) close() error                          { return nil }

func (absent) restart(context.Context, syscall.Signal) error { return errNotOurs }

// external follows a dnsmasq that another service runs, by its pid-file.
type external struct {
	settings host
	mu       sync.Mutex
	process  *process
	epoch    int
}

func (e *external) peek() *target {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.settings.fromPidFile()
	switch {
	case found == nil:
		e.drop()
		return nil
	case e.process != nil && e.process.pid == found.pid && e.process.alive():
		found.release()
	default:
		e.drop()
		e.process = found
		e.epoch++
	}
	return &target{pid: e.process.pid, epoch: e.epoch, signal: e.settings.signaller(e.process)}
}

// signaller signals a dnsmasq that is not our child. If it is another user's,
// the launcher does so.
func (s host) signaller(p *process) func(os.Signal) error {
	return func(sig os.Signal) error {
		err := p.os.Signal(sig)
		number, ok := sig.(syscall.Signal)
		if !errors.Is(err, syscall.EPERM) || !ok || s.Launcher == "" {
			return err
		}
		return launcher.Socket(s.Launcher).Signal(p.pid, number)
	}
}

func (e *external) drop() {
	if e.process != nil {
		e.process.release()
		e.process = nil
	}
}

func (e *external) wait(context.Context) (*target, error) { return e.peek(), nil }

func (e *external) restart(context.Context, syscall.Signal) error {
	return fmt.Errorf("restarting dnsmasq: %w", errNotOurs)
}

func (e *external) status(st *Status) {
	if t := e.peek(); t != nil {
		st.PID = t.pid
	} else {
		st.Live = false
	}
}

func (e *external) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop()
	return nil
}
