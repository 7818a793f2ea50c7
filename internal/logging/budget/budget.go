// Package budget bounds the lines of a log that others can cause. Each
// account, such as a guest, has a budget of lines that refills with time. What
// is beyond it is left out, counted, and reported once the account has lines
// again.
//
//	lines := budget.New(limit, report)
//	defer lines.Close()
//	if lines.Allow(guest, level, now) { … } // log it
package budget

import (
	"log/slog"
	"sync"
	"time"
)

// Limit is what one account may cause.
type Limit struct {
	Burst     int // lines at once
	PerMinute int // lines in the long run
}

// Left tells what was left out of the log since a time.
type Left struct {
	Count uint64
	Since time.Time
	Level slog.Level // the highest of the lines
}

// Report receives the number of omitted lines of an account. It must not call the
// Budget.
type Report[K comparable] func(account K, left Left)

const (
	// mostAccounts bounds the memory. Further ones share the zero K's.
	mostAccounts = 16384
	// sweepTime is how often the budget checks whether there is something to
	// report.
	sweepTime = 5 * time.Second
	// sweepRest is the least time between two searches for idle accounts.
	sweepRest = 10 * time.Second
)

// Budget keeps the accounts. Make one with New. It is safe for concurrent use.
type Budget[K comparable] struct {
	limit  Limit
	report Report[K]

	mu       sync.Mutex
	accounts map[K]*account
	swept    time.Time // when idle accounts were last looked for

	exceeded, stop chan struct{}
	reporter       sync.WaitGroup
}

type account struct {
	lines float64   // that may come, as of the time at
	at    time.Time // when lines was counted
	left  Left
}

// New makes a budget. The caller closes it.
func New[K comparable](limit Limit, report Report[K]) *Budget[K] {
	b := &Budget[K]{
		limit: limit, report: report, accounts: map[K]*account{},
		exceeded: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	b.reporter.Go(b.reportInTime)
	return b
}

// Allow takes one line from an account and reports whether it may be logged.
// Once lines were left out, none is logged until there are as many again as a
// minute brings, so that not every other line is a report.
func (b *Budget[K]) Allow(key K, level slog.Level, now time.Time) bool {
	b.mu.Lock()
	key, a := b.account(key, now)
	b.refill(a, now)
	var left Left
	if a.left.Count > 0 && b.refilled(a) {
		left, a.left = a.left, Left{}
	}
	allowed := a.left.Count == 0 && a.lines >= 1
	if allowed {
		a.lines--
	} else {
		a.leaveOut(level, now)
	}
	b.mu.Unlock()

	if left.Count > 0 {
		b.report(key, left)
	}
	if !allowed {
		select {
		case b.exceeded <- struct{}{}:
		default: // the reporter knows
		}
	}
	return allowed
}

func (a *account) leaveOut(level slog.Level, now time.Time) {
	if a.left.Count == 0 {
		a.left = Left{Since: now, Level: level}
	}
	a.left.Count++
	a.left.Level = max(a.left.Level, level)
}

// account finds or makes the one of a key. Where there are too many, idle ones
// are forgotten.
func (b *Budget[K]) account(key K, now time.Time) (K, *account) {
	if a := b.accounts[key]; a != nil {
		return key, a
	}
	if len(b.accounts) >= mostAccounts && now.Sub(b.swept) >= sweepRest {
		b.swept = now
		for other, a := range b.accounts {
			if b.refill(a, now); a.left.Count == 0 && a.lines >= float64(b.limit.Burst) {
				delete(b.accounts, other)
			}
		}
	}
	if len(b.accounts) >= mostAccounts {
		var shared K
		key = shared
	}
	a := b.accounts[key]
	if a == nil {
		a = &account{lines: float64(b.limit.Burst), at: now}
		b.accounts[key] = a
	}
	return key, a
}

func (b *Budget[K]) refill(a *account, now time.Time) {
	if since := now.Sub(a.at); since > 0 {
		a.lines = min(float64(b.limit.Burst), a.lines+since.Minutes()*float64(b.limit.PerMinute))
		a.at = now
	}
}

func (b *Budget[K]) refilled(a *account) bool {
	return a.lines >= float64(min(b.limit.PerMinute, b.limit.Burst))
}

// reportInTime reports what was left out when a flood has ended, too.
func (b *Budget[K]) reportInTime() {
	for {
		select {
		case <-b.stop:
			return
		case <-b.exceeded:
		}
		tick := time.NewTicker(sweepTime)
		for waiting := true; waiting; {
			select {
			case <-b.stop:
				tick.Stop()
				return
			case now := <-tick.C:
				waiting = b.reportAll(now, false)
			}
		}
		tick.Stop()
	}
}

// reportAll reports for the accounts that have lines again, or for all, and
// tells whether others wait.
func (b *Budget[K]) reportAll(now time.Time, all bool) (waiting bool) {
	reports := map[K]Left{}
	b.mu.Lock()
	for key, a := range b.accounts {
		if a.left.Count == 0 {
			continue
		}
		if b.refill(a, now); all || b.refilled(a) {
			reports[key], a.left = a.left, Left{}
			continue
		}
		waiting = true
	}
	b.mu.Unlock()
	for key, left := range reports {
		b.report(key, left)
	}
	return waiting
}

// Close reports what was left out and not yet reported.
func (b *Budget[K]) Close() {
	close(b.stop)
	b.reporter.Wait()
	b.reportAll(time.Now(), true)
}
