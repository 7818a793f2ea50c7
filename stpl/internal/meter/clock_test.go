package meter

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fakeTime is the time that tests let pass.
type fakeTime struct{ wall, computed time.Duration }

func (f *fakeTime) wait(d time.Duration)    { f.wall += d }
func (f *fakeTime) compute(d time.Duration) { f.wall += d; f.computed += d }

// meter starts a render that takes its time from f.
func (f *fakeTime) meter(t *testing.T, budget Budget) *Meter {
	m := New(t.Context(), budget, refuse)
	began := f.wall
	m.clock.since = func(time.Time) time.Duration { return f.wall - began }
	m.clock.spent = func() time.Duration { return f.computed }
	return &m
}

// steps takes as many steps as make a meter look at its clock.
func steps(m *Meter) error {
	for range 2 * glanceSteps {
		if err := m.Step(1); err != nil {
			return err
		}
	}
	return nil
}

// wantError fails a test without an error of the limit that has the text.
func wantError(t *testing.T, err error, limit Limit, want string) {
	t.Helper()
	var r *refusal
	if !errors.As(err, &r) || r.limit != limit || !strings.Contains(r.message, want) {
		t.Errorf("error %v, want one of the limit %q with %q", err, limit, want)
	}
}

// A render that gets no processor is not charged for the time that passes.
func TestOnlyComputingIsCharged(t *testing.T) {
	limits := roomy
	limits.Time = 40 * time.Millisecond
	var clock fakeTime
	meter := clock.meter(t, NewBudget(limits))
	defer meter.End()
	for range clockFactor - 2 {
		clock.wait(limits.Time)
		if err := steps(meter); err != nil {
			t.Fatalf("after waiting: %v", err)
		}
	}
	clock.compute(limits.Time - 1)
	if err := steps(meter); err != nil {
		t.Fatalf("within the limit: %v", err)
	}
	clock.compute(1)
	wantError(t, steps(meter), LimitTime, "computed for more than 40ms")
}

// Work that takes a timeout gets what is left of the computing time, whether it
// is measured already or not.
func TestTimeLeft(t *testing.T) {
	limits := roomy
	limits.Time = 160 * time.Millisecond // and a grace of 10
	var clock fakeTime
	m := clock.meter(t, NewBudget(limits))
	clock.compute(4 * time.Millisecond)
	if left := m.TimeLeft(); left != 156*time.Millisecond {
		t.Errorf("%v left within the grace", left)
	}
	clock.compute(10 * time.Millisecond)
	if err := steps(m); err != nil {
		t.Fatal(err)
	}
	clock.wait(time.Second)
	clock.compute(60 * time.Millisecond)
	if left := m.TimeLeft(); left != 100*time.Millisecond {
		t.Errorf("%v left when it is measured", left)
	}
	if budget := m.End(); budget.computed != 60*time.Millisecond || budget.grace != 0 {
		t.Errorf("%v computed, a grace of %v", budget.computed, budget.grace)
	} else if again := m.End(); again != budget {
		t.Errorf("%v computed when it has ended twice", again.computed)
	}
}

func TestNoRenderHangsForEver(t *testing.T) {
	limits := roomy
	limits.Time = 5 * time.Millisecond
	var clock fakeTime
	meter := clock.meter(t, NewBudget(limits))
	defer meter.End()
	clock.wait(clockFactor*limits.Time - 1)
	if err := steps(meter); err != nil {
		t.Fatalf("within the limit: %v", err)
	}
	clock.wait(1)
	wantError(t, steps(meter), LimitTime, "took more than 50ms by the clock")
}

func TestRendersShareABudget(t *testing.T) {
	limits := Limits{Steps: 1000, Memory: 1000, Time: 50 * time.Millisecond, Recursion: 10}
	var clock fakeTime
	for limit, part := range map[Limit]struct {
		use  func(*Meter) error
		want string
	}{
		LimitSteps:  {func(m *Meter) error { return m.Step(400) }, "took more than 1000 steps"},
		LimitMemory: {func(m *Meter) error { return m.Alloc(400) }, "needs more than 1000 bytes"},
		// the first render is measured from its first look after the grace
		LimitTime: {func(m *Meter) error {
			clock.compute(4 * time.Millisecond)
			if err := steps(m); err != nil {
				return err
			}
			clock.compute(20 * time.Millisecond)
			return steps(m)
		}, "computed for more than 50ms"},
	} {
		t.Run(string(limit), func(t *testing.T) {
			budget := NewBudget(limits)
			render := func() error {
				meter := clock.meter(t, budget)
				defer func() { budget = meter.End() }()
				return part.use(meter)
			}
			for i := range 2 {
				if err := render(); err != nil {
					t.Errorf("render %d: %v", i, err)
				}
			}
			wantError(t, render(), limit, part.want)
		})
	}
}

// A render that ends within its grace uses it up for the next.
func TestRendersShareTheGrace(t *testing.T) {
	limits := roomy
	limits.Time = 160 * time.Millisecond // and a grace of 10
	var clock fakeTime
	budget := NewBudget(limits)
	for _, want := range []time.Duration{7, 4, 1, 0} {
		meter := clock.meter(t, budget)
		clock.compute(3 * time.Millisecond)
		if budget = meter.End(); budget.grace != want*time.Millisecond {
			t.Errorf("a grace of %v is left, want %v", budget.grace, want*time.Millisecond)
		}
	}
}

// A render is bound to its thread while the thread's time is taken for its own.
func TestMeasuredOnItsThread(t *testing.T) {
	bound := func() bool {
		stack := make([]byte, 200)
		return strings.Contains(string(stack[:runtime.Stack(stack, false)]), "locked to thread")
	}
	limits := roomy
	limits.Time = 160 * time.Millisecond // and a grace of 10
	var clock fakeTime
	m := clock.meter(t, NewBudget(limits))
	for _, tt := range []struct {
		name  string
		step  func()
		bound bool
	}{
		{"within the grace", func() { clock.compute(9 * time.Millisecond) }, false},
		{"behind the grace", func() { clock.compute(time.Millisecond) }, true},
		{"at its end", func() { m.End() }, false},
	} {
		tt.step()
		if err := steps(m); tt.bound && err != nil {
			t.Fatal(err)
		}
		if got := bound(); got != tt.bound {
			t.Errorf("%s it is bound: %v", tt.name, got)
		}
	}
}

// Looking at clocks costs more than a step, so it is done seldom.
func TestClocksAreReadSeldom(t *testing.T) {
	limits := roomy
	limits.Time = 160 * time.Millisecond // and a grace of 10
	var clock fakeTime
	m := clock.meter(t, NewBudget(limits))
	defer m.End()
	wall, spent := 0, 0
	since, computed := m.clock.since, m.clock.spent
	m.clock.since = func(began time.Time) time.Duration { wall++; return since(began) }
	m.clock.spent = func() time.Duration { spent++; return computed() }
	for _, tt := range []struct {
		name        string
		compute     time.Duration
		wall, spent int
	}{
		{"within the grace", 0, 10, 0},
		{"as it ends", 10 * time.Millisecond, 10, 2}, // its base, and then its first reading
		{"before the limit can be reached", 159 * time.Millisecond, 10, 0},
	} {
		clock.compute(tt.compute)
		wall, spent = 0, 0
		for range 10 * (glanceSteps + 1) {
			if err := m.Step(1); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
		}
		if wall != tt.wall || spent != tt.spent {
			t.Errorf("%s the host's clock is read %d times and the thread's %d times, want %d and %d", tt.name, wall, spent, tt.wall, tt.spent)
		}
	}
}

// Others have their turn whenever a render has computed for so long.
func TestTurns(t *testing.T) {
	var clock fakeTime
	m := clock.meter(t, NewBudget(roomy))
	defer m.End()
	for _, tt := range []struct{ compute, next time.Duration }{
		{turnTime - 1, turnTime}, {1, 2 * turnTime}, {turnTime - 1, 2 * turnTime}, {5, 3*turnTime + 4},
	} {
		clock.compute(tt.compute)
		if err := steps(m); err != nil {
			t.Fatal(err)
		}
		if m.clock.turn != tt.next {
			t.Errorf("after %v the next turn is at %v, want %v", clock.wall, m.clock.turn, tt.next)
		}
	}
}

// The processor time of a thread passes while it computes, and not while it waits.
func TestThreadTime(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const pause = 50 * time.Millisecond
	from := threadTime()
	time.Sleep(pause)
	if spent := threadTime() - from; spent >= pause {
		t.Errorf("a wait of %v took %v of processor time", pause, spent)
	}
	for from = threadTime(); threadTime() == from; { // until it passes
	}
}
