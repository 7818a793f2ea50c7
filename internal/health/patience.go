package health

import (
	"fmt"
	"sync"
	"time"
)

// Patience bounds looks that can hang, such as those at a file system whose disk
// or server does not answer. The zero value is ready to use.
type Patience struct {
	mu      sync.Mutex
	pending *look
}

// look is one that runs in a goroutine of its own, as nothing ends a system call
// that hangs. There is at most one.
type look struct {
	began time.Time
	done  chan struct{}
	found []Trouble
}

// Look returns what a function finds. If that takes longer than the limit, it is a
// trouble of its own, and the function is not called again before it returns.
func (p *Patience) Look(limit time.Duration, find func() []Trouble) []Trouble {
	l := p.begin(find)
	select {
	case <-l.done:
		p.end(l)
		return l.found
	case <-time.After(limit):
	}
	return []Trouble{{Part: disk, State: Wrong, Since: l.began, Look: []string{"journalctl -k -n 50"},
		Message: fmt.Sprintf("a file system has not answered for %s", time.Since(l.began).Round(time.Second))}}
}

func (p *Patience) begin(find func() []Trouble) *look {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		l := &look{began: time.Now(), done: make(chan struct{})}
		p.pending = l
		go func() {
			defer close(l.done)
			l.found = find()
		}()
	}
	return p.pending
}

func (p *Patience) end(l *look) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == l {
		p.pending = nil
	}
}
