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

func TestTheClockAndTheContextStopARender(t *testing.T) {
	limits := roomy
	limits.Time = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	given := New(ctx, NewBudget(roomy), refuse)
	defer given.End()
	for name, tt := range map[string]struct {
		meter *Meter
		want  string
	}{
		"the clock":   {newTestMeter(t, limits), "computed for more than 1ms"},
		"the context": {&given, "was given up"},
	} {
		deadline := time.Now().Add(10 * time.Second)
		for tt.meter.Step(1) == nil {
			if time.Now().After(deadline) {
				t.Fatalf("%s did not stop it", name)
			}
		}
		if err := tt.meter.Step(1); !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
