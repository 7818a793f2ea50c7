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
	tests := []struct {
		name string
		run  func(m *Meter) error
		want Limit // "" if it fits
	}{
		{"as many steps as there are", func(m *Meter) error { return m.Step(1000) }, ""},
		{"a step more", func(m *Meter) error { return m.Step(1001) }, LimitSteps},
		{"all memory", func(m *Meter) error { return m.Alloc(1000) }, ""},
		{"a byte more", func(m *Meter) error { return m.Alloc(1001) }, LimitMemory},
		{"less than nothing", func(m *Meter) error { return m.Alloc(-1) }, LimitMemory},
		{"more work than there are steps", func(m *Meter) error { return m.Work(16 * 1000) }, LimitSteps},
		{"a longer text than there are steps", func(m *Meter) error { return m.Scan(256 * 1001) }, LimitSteps},
		{"a result of too much memory", func(m *Meter) error { return m.Charge(1001, 1) }, LimitMemory},
		{"a result of too much work", func(m *Meter) error { return m.Charge(1, 16*1000) }, LimitSteps},
		{"as many items as there is memory", func(m *Meter) error { return m.AllocN(500, 2) }, ""},
		{"an item more", func(m *Meter) error { return m.AllocN(501, 2) }, LimitMemory},
		{"too many slots to fill", func(m *Meter) error { return m.ChargeSlots(21) }, LimitMemory},
		{"a product that overflows", func(m *Meter) error { return m.AllocN(math.MaxInt/2, 4) }, LimitMemory},
		{"a few slots", func(m *Meter) error { return m.AllocSlots(10) }, ""},
		{"too many slots", func(m *Meter) error { return m.AllocSlots(math.MaxInt) }, LimitMemory},
		{"a repeated string", func(m *Meter) error { _, err := m.Repeat("ab", math.MaxInt); return err }, LimitMemory},
		{"calls within calls", func(m *Meter) error {
			for range 10 {
				if err := m.Enter(); err != nil {
					return err
				}
			}
			return m.Enter()
		}, LimitRecursion},
		{"code as large as it may be", func(m *Meter) error { return m.EnterCode(10 * levelsPerCall) }, ""},
		{"larger code", func(m *Meter) error { return m.EnterCode(10*levelsPerCall + 1) }, LimitRecursion},
		{"large code within large code", func(m *Meter) error {
			if err := m.EnterCode(6 * levelsPerCall); err != nil {
				return err
			}
			return m.EnterCode(6 * levelsPerCall)
		}, LimitRecursion},
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
			var got Limit
			if r := (*refusal)(nil); errors.As(err, &r) {
				got = r.limit
			}
			if got != tt.want {
				t.Errorf("error %v, want one of the limit %q", err, tt.want)
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
		{"a text that is repeated not once", func(m *Meter) error { _, err := m.Repeat("ab", -1); return err }, 0, 0},
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
	for text, want := range map[string]string{"ab": "ababab", "": ""} {
		if s, err := newTestMeter(t, roomy).Repeat(text, 3); s != want || err != nil {
			t.Errorf("%q (%v)", s, err)
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
