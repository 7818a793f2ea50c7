package object

import (
	"strings"
	"testing"
	"time"
)

// steps takes as many steps as make a thread look at its clock.
func steps(t *Thread) error {
	for range 2 * glanceSteps {
		if err := t.Step(1); err != nil {
			return err
		}
	}
	return nil
}

// spin computes for as long.
func spin(d time.Duration) {
	for from := threadTime(); threadTime()-from < d; {
	}
}

// A render that gets no processor is not charged for the time that passes.
func TestOnlyComputingIsCharged(t *testing.T) {
	limits := roomy
	limits.Time = 40 * time.Millisecond
	thread := newTestThread(t, limits)
	for range 5 {
		time.Sleep(limits.Time)
		if err := steps(thread); err != nil {
			t.Fatalf("after waiting: %v", err)
		}
	}
	spin(limits.Time)
	if err := steps(thread); err == nil || !strings.Contains(err.Error(), "computed for more than 40ms") {
		t.Errorf("after computing: %v", err)
	}
}

func TestNoRenderHangsForEver(t *testing.T) {
	limits := roomy
	limits.Time = 5 * time.Millisecond
	thread := newTestThread(t, limits)
	time.Sleep(clockFactor * limits.Time)
	if err := steps(thread); err == nil || !strings.Contains(err.Error(), "took more than 50ms by the clock") {
		t.Errorf("error %v", err)
	}
}

func TestRendersShareABudget(t *testing.T) {
	limits := Limits{Steps: 1000, Memory: 1000, Time: 50 * time.Millisecond, Recursion: 10}
	for name, part := range map[string]struct {
		use  func(*Thread) error
		want string
	}{
		"steps":  {func(t *Thread) error { return t.Step(400) }, "took more than 1000 steps"},
		"memory": {func(t *Thread) error { return t.Alloc(400) }, "needs more than 1000 bytes"},
		// the first render computes within its grace, which is over by its end
		"time": {func(t *Thread) error {
			if err := steps(t); err != nil {
				return err
			}
			spin(30 * time.Millisecond)
			return steps(t)
		}, "computed for more than 50ms"},
	} {
		budget := NewBudget(limits)
		render := func() error {
			thread := NewThread(t.Context(), budget, nil)
			defer func() { budget = thread.End() }()
			return part.use(thread)
		}
		for i := range 2 {
			if err := render(); err != nil {
				t.Errorf("%s: render %d: %v", name, i, err)
			}
		}
		if err := render(); err == nil || !strings.Contains(err.Error(), part.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, part.want)
		}
	}
}
