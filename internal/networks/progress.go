package networks

import (
	"context"
	"sync"
)

// progress is how far the backends have followed the inventory.
type progress struct {
	mu       sync.Mutex
	revision uint64        // of the inventory, applied last
	err      error         // of that
	moved    chan struct{} // closed, and another one made, at each move
}

func newProgress() *progress { return &progress{moved: make(chan struct{})} }

// move notes that a revision has been applied, with the outcome.
func (p *progress) move(revision uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revision, p.err = revision, err
	close(p.moved)
	p.moved = make(chan struct{})
}

// wait returns when a revision has been applied, with the outcome.
func (p *progress) wait(ctx context.Context, revision uint64) error {
	for {
		p.mu.Lock()
		reached, err, moved := p.revision >= revision, p.err, p.moved
		p.mu.Unlock()
		if reached {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
