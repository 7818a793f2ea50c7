// Package queue lets a log's lines wait in memory for a writer that may be slow,
// full or stuck: logging never waits for it.
package queue

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// most is how many bytes may wait. What comes then is left out.
	most = 1 << 20
	// stuckTime is how long one write may take before the writer counts as stuck.
	stuckTime = 5 * time.Second
)

// Queue is an io.Writer for lines, each of them one Write. It is safe for
// concurrent use. Make one with New, and close it.
type Queue struct {
	w         io.Writer
	recovered func(lost uint64)

	writing sync.Mutex // one write at a time; taken before mu
	mu      sync.Mutex // of what follows
	lines   []byte
	spare   []byte // the memory of the lines that were written last
	status  Status
	unsaid  uint64        // of status.Lost
	began   time.Time     // of the write that is under way, or zero
	flushed chan struct{} // closed when all lines of this moment are written
	closed  bool

	wake, stop, done chan struct{}
}

// Status is how a queue does.
type Status struct {
	Lost  uint64    `json:"lost"`            // lines left out
	Stuck time.Time `json:"stuck,omitzero"`  // when the write began that does not end
	Error string    `json:"error,omitempty"` // of the last write, if it failed
}

// New makes a queue for w. After lines were left out, recovered is called with
// their number as soon as w takes lines again; it may write to the queue.
func New(w io.Writer, recovered func(lost uint64)) *Queue {
	q := &Queue{
		w: w, recovered: recovered, flushed: make(chan struct{}),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go q.run()
	return q
}

// Write implements io.Writer. It never waits and never fails.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if len(q.lines)+len(line) > most {
		q.status.Lost++
		q.unsaid++
		q.mu.Unlock()
		return len(line), nil
	}
	q.lines = append(q.lines, line...)
	closed := q.closed
	q.mu.Unlock()
	if closed {
		q.write()
	} else {
		q.signal()
	}
	return len(line), nil
}

// Flush waits until the lines are written that are there now, but no longer than
// atMost.
func (q *Queue) Flush(atMost time.Duration) {
	q.mu.Lock()
	empty, flushed := len(q.lines) == 0 && q.began.IsZero(), q.flushed
	q.mu.Unlock()
	if empty {
		return
	}
	q.signal()
	select {
	case <-flushed:
	case <-q.done:
	case <-time.After(atMost):
	}
}

// Status returns how the queue does.
func (q *Queue) Status() Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.status
	if q.stuck() {
		s.Stuck = q.began
	}
	return s
}

func (q *Queue) stuck() bool { return !q.began.IsZero() && time.Since(q.began) > stuckTime }

// Close writes the lines that wait, but takes no longer than atMost. Lines that
// come later are written at once.
func (q *Queue) Close(atMost time.Duration) {
	close(q.stop)
	select {
	case <-q.done:
		q.mu.Lock()
		q.closed = true
		q.mu.Unlock()
		q.write() // what came meanwhile
	case <-time.After(atMost): // the writer is stuck, and the process ends
	}
}

// signal tells run that there is something to write.
func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // run knows
	}
}

func (q *Queue) run() {
	defer close(q.done)
	for {
		select {
		case <-q.stop:
			q.write()
			return
		case <-q.wake:
			q.write()
		}
	}
}

// write writes the lines that wait, and tells what was lost before.
func (q *Queue) write() {
	lost := q.writeLines()
	if lost > 0 && q.recovered != nil {
		q.recovered(lost)
	}
}

func (q *Queue) writeLines() (lost uint64) {
	q.writing.Lock()
	defer q.writing.Unlock()
	q.mu.Lock()
	lines, flushed := q.lines, q.flushed
	q.lines, q.spare = q.spare[:0], nil
	q.flushed = make(chan struct{})
	q.began = time.Now()
	q.mu.Unlock()
	var err error
	if len(lines) > 0 {
		_, err = q.w.Write(lines)
	}
	lost = q.note(lines, err)
	close(flushed)
	return lost
}

// note keeps how a write ended. It returns the number of lost lines to report.
func (q *Queue) note(lines []byte, err error) (lost uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.began = time.Time{}
	q.spare = lines[:0]
	if err != nil {
		n := uint64(bytes.Count(lines, []byte("\n")))
		q.status.Error = err.Error()
		q.status.Lost += n
		q.unsaid += n
		return 0
	}
	if len(lines) > 0 {
		q.status.Error = ""
		lost, q.unsaid = q.unsaid, 0
	}
	return lost
}
