package object

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// fakeTime is the time that tests let pass.
type fakeTime struct{ wall, computed time.Duration }

func (f *fakeTime) wait(d time.Duration)    { f.wall += d }
func (f *fakeTime) compute(d time.Duration) { f.wall += d; f.computed += d }

// thread starts a render that takes its time from f.
func (f *fakeTime) thread(t *testing.T, budget Budget) *Thread {
	thread := NewThread(t.Context(), budget, nil)
	began := f.wall
	thread.clock.since = func(time.Time) time.Duration { return f.wall - began }
	thread.clock.spent = func() time.Duration { return f.computed }
	return thread
}

// steps takes as many steps as make a thread look at its clock.
func steps(t *Thread) error {
	for range 2 * glanceSteps {
		if err := t.Step(1); err != nil {
			return err
		}
	}
	return nil
}

// wantError fails a test without an error that has the text.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

// A render that gets no processor is not charged for the time that passes.
func TestOnlyComputingIsCharged(t *testing.T) {
	limits := roomy
	limits.Time = 40 * time.Millisecond
	var clock fakeTime
	thread := clock.thread(t, NewBudget(limits))
	defer thread.End()
	for range clockFactor - 2 {
		clock.wait(limits.Time)
		if err := steps(thread); err != nil {
			t.Fatalf("after waiting: %v", err)
		}
	}
	clock.compute(limits.Time - 1)
	if err := steps(thread); err != nil {
		t.Fatalf("within the limit: %v", err)
	}
	clock.compute(1)
	wantError(t, steps(thread), "computed for more than 40ms")
}

func TestNoRenderHangsForEver(t *testing.T) {
	limits := roomy
	limits.Time = 5 * time.Millisecond
	var clock fakeTime
	thread := clock.thread(t, NewBudget(limits))
	defer thread.End()
	clock.wait(clockFactor*limits.Time - 1)
	if err := steps(thread); err != nil {
		t.Fatalf("within the limit: %v", err)
	}
	clock.wait(1)
	wantError(t, steps(thread), "took more than 50ms by the clock")
}

func TestRendersShareABudget(t *testing.T) {
	limits := Limits{Steps: 1000, Memory: 1000, Time: 50 * time.Millisecond, Recursion: 10}
	var clock fakeTime
	for name, part := range map[string]struct {
		use  func(*Thread) error
		want string
	}{
		"steps":  {func(t *Thread) error { return t.Step(400) }, "took more than 1000 steps"},
		"memory": {func(t *Thread) error { return t.Alloc(400) }, "needs more than 1000 bytes"},
		// the first render is measured from its first look after the grace
		"time": {func(t *Thread) error {
			clock.compute(4 * time.Millisecond)
			if err := steps(t); err != nil {
				return err
			}
			clock.compute(20 * time.Millisecond)
			return steps(t)
		}, "computed for more than 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			budget := NewBudget(limits)
			render := func() error {
				thread := clock.thread(t, budget)
				defer func() { budget = thread.End() }()
				return part.use(thread)
			}
			for i := range 2 {
				if err := render(); err != nil {
					t.Errorf("render %d: %v", i, err)
				}
			}
			wantError(t, render(), part.want)
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
		thread := clock.thread(t, budget)
		clock.compute(3 * time.Millisecond)
		if budget = thread.End(); budget.grace != want*time.Millisecond {
			t.Errorf("a grace of %v is left, want %v", budget.grace, want*time.Millisecond)
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
