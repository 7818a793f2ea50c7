package daemon

import (
	"io"
	"sync"
	"time"
)

const (
	// gatherTime is how long a line of the log may wait for others.
	gatherTime = 50 * time.Millisecond
	// gatherSize is how many bytes may wait: who makes more waits for the writer.
	gatherSize = 64 << 10
)

// buffered gathers lines to write them together, since each request has one and
// a system call for each would cost more than to find the answer. It is safe
// for concurrent use. Make one with newBuffered, and close it.
type buffered struct {
	w io.Writer

	mu     sync.Mutex // of what follows
	lines  []byte
	closed bool

	writing sync.Mutex // keeps the order; taken before mu
	spare   []byte     // the memory of the lines that were written last

	filled, stop chan struct{}
	flusher      sync.WaitGroup
}

func newBuffered(w io.Writer) *buffered {
	b := &buffered{w: w, filled: make(chan struct{}, 1), stop: make(chan struct{})}
	b.flusher.Go(b.flushInTime)
	return b
}

// Write implements io.Writer. Errors are the writer's to deal with.
func (b *buffered) Write(p []byte) (int, error) {
	b.mu.Lock()
	first := len(b.lines) == 0
	b.lines = append(b.lines, p...)
	atOnce := b.closed || len(b.lines) >= gatherSize
	b.mu.Unlock()
	switch {
	case atOnce:
		b.flush()
	case first:
		select {
		case b.filled <- struct{}{}:
		default: // the flusher knows
		}
	}
	return len(p), nil
}

// flush writes what has gathered so far.
func (b *buffered) flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	lines := b.lines
	b.lines = b.spare[:0]
	b.mu.Unlock()
	if len(lines) > 0 {
		_, _ = b.w.Write(lines)
	}
	b.spare = lines
}

func (b *buffered) flushInTime() {
	for b.wait() {
		b.flush()
	}
}

// wait returns true some time after there was something to write, and false
// when there will be nothing more.
func (b *buffered) wait() bool {
	select {
	case <-b.stop:
		return false
	case <-b.filled:
	}
	gather := time.NewTimer(gatherTime)
	defer gather.Stop()
	select {
	case <-b.stop:
		return false
	case <-gather.C:
		return true
	}
}

// Close writes what has gathered. Lines that come later are written at once.
func (b *buffered) Close() {
	close(b.stop)
	b.flusher.Wait()
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.flush()
}
