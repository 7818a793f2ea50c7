package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/dnsmasq/content"
)

// state is what others know of a Child. Its zero value is unusable.
type state struct {
	mu       sync.Mutex
	changed  chan struct{} // closed at the next change of what follows
	current  *Running      // nil if none serves
	epoch    int           // of the last one
	began    time.Time     // when the present or last run began
	starts   int
	attempts attempts
	warning  string // why dnsmasq has no user of its own
}

// update changes the state, and wakes those who wait for a change.
func (c *Child) update(change func(*state)) {
	s := &c.state
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
	close(s.changed)
	s.changed = make(chan struct{})
}

// Peek implements Runner.
func (c *Child) Peek() *Running {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.current
}

// Wait implements Runner. It gives up early if several starts have failed in
// succession.
func (c *Child) Wait(ctx context.Context) (*Running, error) { return c.waitAfter(ctx, 0) }

// waitAfter waits for a dnsmasq that was started after the given epoch.
func (c *Child) waitAfter(ctx context.Context, epoch int) (*Running, error) {
	for {
		c.state.mu.Lock()
		current, changed, tried := c.state.current, c.state.changed, c.state.attempts
		c.state.mu.Unlock()
		if current != nil && current.Epoch > epoch {
			return current, nil
		}
		if tried.failed >= hopeless {
			return nil, fmt.Errorf("dnsmasq does not run, mdserver keeps trying: %w", tried.last)
		}
		select {
		case <-changed:
		case <-c.done:
			return nil, errors.New("mdserver is stopping dnsmasq")
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for dnsmasq to start: %w", errors.Join(context.Cause(ctx), tried.last))
		}
	}
}

// Restart implements Runner.
func (c *Child) Restart(ctx context.Context, signal syscall.Signal) error {
	c.state.mu.Lock()
	current, epoch := c.state.current, c.state.epoch
	c.state.mu.Unlock()
	if current != nil && !current.Ours {
		return fmt.Errorf("restarting dnsmasq: %w", ErrNotOurs)
	}
	select {
	case c.again <- signal:
	default: // asked for already
	}
	_, err := c.waitAfter(ctx, epoch)
	return err
}

// Report implements Runner.
func (c *Child) Report(st *api.Dnsmasq) {
	s := &c.state
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Restarts = max(s.starts-1, 0)
	st.Warning = strings.Join(slices.DeleteFunc([]string{st.Warning, s.warning}, func(w string) bool { return w == "" }), "; ")
	if trouble := s.attempts.trouble(s.current != nil, time.Since(s.began)); trouble != "" {
		st.LastError = trouble // newer than what a change met
	}
	if s.current == nil {
		st.Live = false
		return
	}
	st.PID = s.current.PID
	if !s.current.Ours {
		st.Mode = content.External
	}
}
