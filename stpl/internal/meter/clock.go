package meter

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// clockFactor times the limit of computing time is the limit by the clock.
const clockFactor = 10

// stopwatch measures the processor time of a render, so that what else runs on
// the host makes no template fail. As Go does not count a goroutine's time, it
// measures the thread that the goroutine is then bound to. Both cost more than
// a usual render, so nothing is measured during a grace of one sixteenth of the
// limit.
type stopwatch struct {
	began   time.Time
	running bool          // the goroutine is bound to its thread
	base    time.Duration // the thread's processor time when it was bound
	next    time.Duration // after began: before then no limit can be reached
	turn    time.Duration // after began: then other goroutines have their turn

	since func(time.Time) time.Duration // the host's clock
	spent func() time.Duration          // the processor time of the calling thread
}

func newStopwatch(grace time.Duration) stopwatch {
	return stopwatch{began: time.Now(), next: grace, turn: turnTime, since: time.Since, spent: threadTime}
}

// turnTime is how long a render computes before others have their turn. The
// scheduler by itself would let it compute for ten milliseconds, while requests
// that are answered in microseconds wait.
const turnTime = time.Millisecond

// yield gives others their turn when it is time.
func (s *stopwatch) yield(elapsed time.Duration) {
	if elapsed >= s.turn {
		runtime.Gosched()
		s.turn = elapsed + turnTime
	}
}

// threadTime is the processor time that the calling thread has had.
func threadTime() time.Duration {
	var spent unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &spent); err != nil {
		return 0 // only for a clock that Linux does not have
	}
	return time.Duration(spent.Nano())
}

// used is the processor time of this render since it is measured.
func (s *stopwatch) used() time.Duration { return s.spent() - s.base }

// verdict is what the clock says of a render.
type verdict int

const (
	inTime          verdict = iota
	computedTooLong         // as long as the limit
	tookTooLong             // clockFactor times the limit by the clock
)

// check compares the time with the limit. It is called when the clock reaches
// s.next.
func (s *stopwatch) check(b *Budget, elapsed time.Duration) verdict {
	if !s.running {
		runtime.LockOSThread()
		s.running, s.base = true, s.spent()
	}
	limit := b.limits.Time
	used := b.computed + s.used()
	switch {
	case used >= limit:
		return computedTooLong
	case elapsed >= clockFactor*limit:
		return tookTooLong
	}
	s.next = min(elapsed+limit-used, clockFactor*limit)
	return inTime
}

// stop unbinds the goroutine and charges the budget.
func (s *stopwatch) stop(b *Budget) {
	if !s.running {
		b.grace -= min(b.grace, s.since(s.began))
		return
	}
	b.computed += s.used()
	b.grace = 0
	s.running = false
	runtime.UnlockOSThread()
}
