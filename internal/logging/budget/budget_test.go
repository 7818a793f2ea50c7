package budget

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reports keeps what was left out, as "account count level".
type reports struct {
	mu   sync.Mutex
	list []string
}

func (r *reports) take(account string, left Left) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, fmt.Sprintf("%s %d %s", account, left.Count, left.Level))
}

func (r *reports) check(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.list)
	if !slices.Equal(r.list, want) {
		t.Errorf("reports %q, want %q", r.list, want)
	}
	r.list = nil
}

func (b *Budget[K]) times(key K, n int) (allowed int) {
	for range n {
		if b.Allow(key, slog.LevelInfo, time.Now()) {
			allowed++
		}
	}
	return allowed
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out reports
		b := New(Limit{Burst: 100, PerMinute: 10}, out.take)
		if n := b.times("web1", 100); n != 100 {
			t.Errorf("%d lines of a boot are logged, want all 100", n)
		}
		if n := b.times("web1", 1000); n != 0 {
			t.Errorf("%d lines beyond the budget", n)
		}
		b.Allow("web1", slog.LevelError, time.Now())
		b.times("web1", 1)
		if n := b.times("web2", 100); n != 100 {
			t.Errorf("another guest has %d lines, want 100", n)
		}
		out.check(t)
		time.Sleep(time.Minute + sweepTime)
		out.check(t, "web1 1002 ERROR") // though nothing more came
		if n := b.times("web1", 1000); n != 10 {
			t.Errorf("%d lines after a minute, want 10", n)
		}
		b.Close()
		out.check(t, "web1 990 INFO")
	})
}

// A flood that goes on costs the lines of the long run and one report a minute.
func TestFloodThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out reports
		b := New(Limit{Burst: 100, PerMinute: 10}, out.take)
		allowed := 0
		for range 600 {
			allowed += b.times("web1", 100)
			time.Sleep(time.Second)
		}
		if allowed < 190 || allowed > 200 {
			t.Errorf("%d lines in ten minutes", allowed)
		}
		if n := len(out.list); n < 8 || n > 10 {
			t.Errorf("%d reports in ten minutes", n)
		}
		b.Close()
	})
}

// Who makes up accounts ends in the common one.
func TestAccountsAreBounded(t *testing.T) {
	var out reports
	b := New(Limit{Burst: 1, PerMinute: 1}, out.take)
	now := time.Now()
	allowed := 0
	for i := range 3 * mostAccounts {
		if b.Allow(fmt.Sprint("made up ", i), slog.LevelInfo, now) {
			allowed++
		}
	}
	if len(b.accounts) > mostAccounts+1 || allowed > mostAccounts+1 {
		t.Errorf("%d accounts, %d lines", len(b.accounts), allowed)
	}
	now = now.Add(time.Hour)
	if !b.Allow("web1", slog.LevelInfo, now) || b.accounts["web1"] == nil {
		t.Error("idle accounts do not make way")
	}
	b.Close()
}

// TestIdleAccounts checks that only accounts with their whole budgets are forgotten: any
// other would get a new budget.
func TestIdleAccounts(t *testing.T) {
	var out reports
	b := New(Limit{Burst: 2, PerMinute: 1}, out.take)
	defer b.Close()
	now := time.Now()
	for i := range mostAccounts {
		for range 2 {
			b.Allow(fmt.Sprint("guest ", i), slog.LevelInfo, now)
		}
	}
	now = now.Add(time.Minute) // each may log one line again
	if b.Allow("another", slog.LevelInfo, now); len(b.accounts) != mostAccounts+1 {
		t.Errorf("%d accounts, want all of them and the common one", len(b.accounts))
	}
	now = now.Add(time.Minute)
	if b.Allow("another", slog.LevelInfo, now); len(b.accounts) != 1 || b.accounts["another"] == nil {
		t.Errorf("%d accounts, want the new one alone", len(b.accounts))
	}
}

// TestTimesOutOfOrder checks that lines may come with their times out of order, as those
// from many goroutines do.
func TestTimesOutOfOrder(t *testing.T) {
	var out reports
	b := New(Limit{Burst: 3, PerMinute: 60}, out.take)
	defer b.Close()
	now := time.Now()
	for i, at := range []time.Time{now, now.Add(-time.Hour), now} {
		if !b.Allow("web1", slog.LevelInfo, at) {
			t.Errorf("line %d is left out", i)
		}
	}
	if b.Allow("web1", slog.LevelInfo, now) {
		t.Error("an hour that passed once counts twice")
	}
}

func TestManyAtOnce(t *testing.T) {
	var out reports
	b := New(Limit{Burst: 100, PerMinute: 1}, out.take)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { b.times("web1", 1000) })
	}
	all.Wait()
	b.Close()
	out.check(t, "web1 7900 INFO")
}

func BenchmarkAllow(b *testing.B) {
	budget := New(Limit{Burst: 1 << 40, PerMinute: 1}, func(string, Left) {})
	defer budget.Close()
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		budget.Allow("web1", slog.LevelInfo, now)
	}
}
