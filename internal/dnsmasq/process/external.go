package process

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"mdserver/internal/api"
	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/launcher"
)

// External follows a dnsmasq that another service runs, by its pid-file.
type External struct {
	host host

	mu      sync.Mutex
	process *found
	epoch   int
}

// Follow follows the dnsmasq that another service runs with the files of a network.
func Follow(place files.Place) *External { return &External{host: newHost(place)} }

// Peek implements Runner.
func (e *External) Peek() *Running {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.host.fromPIDFile()
	switch {
	case now == nil:
		e.drop()
		return nil
	case e.process != nil && e.process.pid == now.pid && e.process.alive():
		now.release()
	default:
		e.drop()
		e.process = now
		e.epoch++
	}
	return &Running{PID: e.process.pid, Epoch: e.epoch, Signal: e.host.signaller(e.process)}
}

// signaller signals a dnsmasq that is not our child. If it is another user's,
// the launcher does so.
func (h host) signaller(p *found) func(syscall.Signal) error {
	return func(sig syscall.Signal) error {
		err := p.os.Signal(sig)
		if !errors.Is(err, syscall.EPERM) || h.Launcher == "" {
			return err
		}
		return launcher.Socket(h.Launcher).Signal(p.pid, sig)
	}
}

func (e *External) drop() {
	if e.process != nil {
		e.process.release()
		e.process = nil
	}
}

// Wait implements Runner. It does not wait: no start is expected.
func (e *External) Wait(context.Context) (*Running, error) { return e.Peek(), nil }

// Restart implements Runner. It always fails.
func (e *External) Restart(context.Context, syscall.Signal) error {
	return fmt.Errorf("restarting dnsmasq: %w", ErrNotOurs)
}

// Report implements Runner.
func (e *External) Report(st *api.Dnsmasq) {
	if t := e.Peek(); t != nil {
		st.PID = t.PID
	} else {
		st.Live = false
	}
}

// Close implements Runner. dnsmasq continues to run.
func (e *External) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop()
	return nil
}
