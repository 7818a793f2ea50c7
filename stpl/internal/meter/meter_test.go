package meter

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// refusal is the error of a limit in these tests.
type refusal struct {
	limit   Limit
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(limit Limit, message string) error { return &refusal{limit, message} }

func newTestMeter(t *testing.T, limits Limits) *Meter {
	t.Helper()
	m := New(t.Context(), NewBudget(limits), refuse)
	t.Cleanup(func() { m.End() })
	return &m
}

var roomy = Limits{Steps: 1 << 30, Memory: 1 << 30, Time: time.Hour, Recursion: 100}

func TestLimitsAreCharged(t *testing.T) {
	const (
		tooManySteps  = "steps: the template took more than 1000 steps"
		tooMuchMemory = "memory: the template needs more than 1000 bytes of memory"
		tooDeep       = "recursion: maximum recursion depth of 10 exceeded"
		tooLarge      = "recursion: maximum recursion depth exceeded: calls within large expressions"
	)
	enter := func(calls int, enter func() error) error {
		for range calls {
			if err := enter(); err != nil {
				return err
			}
		}
		return nil
	}
	tests := []struct {
		name string
		run  func(m *Meter) error
		want string // "" if it fits
	}{
		{"as many steps as there are", func(m *Meter) error { return m.Step(1000) }, ""},
		{"a step more", func(m *Meter) error { return m.Step(1001) }, tooManySteps},
		{"all memory", func(m *Meter) error { return m.Alloc(1000) }, ""},
		{"a byte more", func(m *Meter) error { return m.Alloc(1001) }, tooMuchMemory},
		{"less than nothing", func(m *Meter) error { return m.Alloc(-1) }, tooMuchMemory},
		{"no memory", func(m *Meter) error { return m.Alloc(0) }, ""},
		{"more work than there are steps", func(m *Meter) error { return m.Work(16 * 1000) }, tooManySteps},
		{"a longer text than there are steps", func(m *Meter) error { return m.Scan(256 * 1001) }, tooManySteps},
		{"a result of too much memory", func(m *Meter) error { return m.Charge(1001, 1) }, tooMuchMemory},
		{"a result of too much work", func(m *Meter) error { return m.Charge(1, 16*1000) }, tooManySteps},
		{"as many items as there is memory", func(m *Meter) error { return m.AllocN(500, 2) }, ""},
		{"an item more", func(m *Meter) error { return m.AllocN(501, 2) }, tooMuchMemory},
		{"too many slots to fill", func(m *Meter) error { return m.ChargeSlots(21) }, tooMuchMemory},
		{"slots that take too many steps to fill", func(m *Meter) error { return errors.Join(m.Step(999), m.ChargeSlots(16)) }, tooManySteps},
		{"a product that overflows", func(m *Meter) error { return m.AllocN(math.MaxInt/2, 4) }, tooMuchMemory},
		{"a few slots", func(m *Meter) error { return m.AllocSlots(10) }, ""},
		{"too many slots", func(m *Meter) error { return m.AllocSlots(math.MaxInt) }, tooMuchMemory},
		{"a repeated string", func(m *Meter) error { _, err := m.Repeat("ab", math.MaxInt); return err }, tooMuchMemory},
		{"a repeated string of too much work", func(m *Meter) error {
			if err := m.Step(999); err != nil {
				return err
			}
			_, err := m.Repeat("ab", 8)
			return err
		}, tooManySteps},
		{"as many calls within calls as there may be", func(m *Meter) error { return enter(10, m.Enter) }, ""},
		{"a call more", func(m *Meter) error { return enter(11, m.Enter) }, tooDeep},
		{"a call of code more", func(m *Meter) error { return enter(11, func() error { return m.EnterCode(1) }) }, tooDeep},
		{"code as large as it may be", func(m *Meter) error { return m.EnterCode(10 * levelsPerCall) }, ""},
		{"larger code", func(m *Meter) error { return m.EnterCode(10*levelsPerCall + 1) }, tooLarge},
		{"large code within large code", func(m *Meter) error {
			if err := m.EnterCode(6 * levelsPerCall); err != nil {
				return err
			}
			return m.EnterCode(6 * levelsPerCall)
		}, tooLarge},
		{"large code after large code", func(m *Meter) error {
			for range 20 {
				if err := m.EnterCode(6 * levelsPerCall); err != nil {
					return err
				}
				m.LeaveCode(6 * levelsPerCall)
			}
			return nil
		}, ""},
		{"one call after another", func(m *Meter) error {
			for range 100 {
				if err := m.Enter(); err != nil {
					return err
				}
				m.Leave()
			}
			return nil
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.run(newTestMeter(t, Limits{Steps: 1000, Memory: 1000, Time: time.Hour, Recursion: 10}))
			got := ""
			if r := (*refusal)(nil); errors.As(err, &r) {
				got = string(r.limit) + ": " + r.message
			}
			if got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatIsCharged(t *testing.T) {
	tests := []struct {
		name          string
		run           func(m *Meter) error
		steps, memory int64
	}{
		{"steps", func(m *Meter) error { return m.Step(7) }, 7, 0},
		{"work", func(m *Meter) error { return m.Work(160) }, 11, 0},
		{"a short text", func(m *Meter) error { return m.Scan(255) }, 0, 0},
		{"a text", func(m *Meter) error { return m.Scan(1024) }, 4, 0},
		{"memory", func(m *Meter) error { return m.Alloc(2 * bytesPerStep) }, 2, 2 * bytesPerStep},
		{"a result", func(m *Meter) error { return m.Charge(100, 32) }, 3, 100},
		{"slots", func(m *Meter) error { return m.AllocSlots(2) }, 0, 2 * SlotSize},
		{"slots that are filled", func(m *Meter) error { return m.ChargeSlots(16) }, 2, 16 * SlotSize},
		{"a repeated text", func(m *Meter) error { _, err := m.Repeat("ab", 40); return err }, 6, 80},
		{"what is refused", func(m *Meter) error { _ = m.Alloc(1 << 40); return nil }, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newTestMeter(t, roomy)
			if err := tt.run(m); err != nil {
				t.Fatal(err)
			}
			if steps, memory := m.End().Used(); steps != tt.steps || memory != tt.memory {
				t.Errorf("%d steps and %d bytes, want %d and %d", steps, memory, tt.steps, tt.memory)
			}
		})
	}
}

func TestRepeat(t *testing.T) {
	for _, tt := range []struct {
		text          string
		n             int
		want          string
		steps, memory int64
	}{
		{"ab", 3, "ababab", 1, 6}, {"ab", 1, "ab", 1, 2}, {"ab", 0, "", 0, 0}, {"ab", -1, "", 0, 0}, {"", 3, "", 0, 0},
	} {
		m := newTestMeter(t, roomy)
		got, err := m.Repeat(tt.text, tt.n)
		if got != tt.want || err != nil {
			t.Errorf("%q, %d times: %q (%v), want %q", tt.text, tt.n, got, err, tt.want)
		}
		if steps, memory := m.End().Used(); steps != tt.steps || memory != tt.memory {
			t.Errorf("%q, %d times: %d steps and %d bytes, want %d and %d", tt.text, tt.n, steps, memory, tt.steps, tt.memory)
		}
	}
}

func TestTheClockAndTheContextStopARender(t *testing.T) {
	limits := roomy
	limits.Time = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	given := New(ctx, NewBudget(roomy), refuse)
	defer given.End()
	for name, tt := range map[string]struct {
		meter *Meter
		limit Limit
		want  string
	}{
		"the clock":   {newTestMeter(t, limits), LimitTime, "computed for more than 1ms"},
		"the context": {&given, "", "was given up"},
	} {
		deadline := time.Now().Add(10 * time.Second)
		for tt.meter.Step(1) == nil {
			if time.Now().After(deadline) {
				t.Fatalf("%s did not stop it", name)
			}
		}
		var r *refusal
		if err := tt.meter.Step(1); !errors.As(err, &r) || r.limit != tt.limit || !strings.Contains(r.message, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
