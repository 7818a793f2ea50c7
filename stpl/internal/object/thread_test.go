package object

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func newTestThread(t *testing.T, limits Limits) *Thread {
	t.Helper()
	thread := NewThread(t.Context(), NewBudget(limits), nil)
	t.Cleanup(func() { thread.End() })
	return thread
}

var roomy = Limits{Steps: 1 << 30, Memory: 1 << 30, Time: time.Hour, Recursion: 100}

func TestLimitsAreCharged(t *testing.T) {
	tests := []struct {
		name string
		run  func(t *Thread) error
		kind string // "" if it fits
	}{
		{"as many steps as there are", func(t *Thread) error { return t.Step(1000) }, ""},
		{"a step more", func(t *Thread) error { return t.Step(1001) }, "TimeoutError"},
		{"all memory", func(t *Thread) error { return t.Alloc(1000) }, ""},
		{"a byte more", func(t *Thread) error { return t.Alloc(1001) }, "MemoryError"},
		{"less than nothing", func(t *Thread) error { return t.Alloc(-1) }, "MemoryError"},
		{"a product that overflows", func(t *Thread) error { return t.AllocN(math.MaxInt/2, 4) }, "MemoryError"},
		{"a few slots", func(t *Thread) error { return t.AllocSlots(10) }, ""},
		{"too many slots", func(t *Thread) error { return t.AllocSlots(math.MaxInt) }, "MemoryError"},
		{"a repeated string", func(t *Thread) error { _, err := RepeatString(t, "ab", math.MaxInt); return err }, "MemoryError"},
		{"calls within calls", func(t *Thread) error {
			for range 10 {
				if err := t.Enter(); err != nil {
					return err
				}
			}
			return t.Enter()
		}, "RecursionError"},
		{"one call after another", func(t *Thread) error {
			for range 100 {
				if err := t.Enter(); err != nil {
					return err
				}
				t.Leave()
			}
			return nil
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.run(newTestThread(t, Limits{Steps: 1000, Memory: 1000, Time: time.Hour, Recursion: 10}))
			got := ""
			if e := (*Exception)(nil); errors.As(err, &e) {
				got = e.KindName()
				if e.Fatal != (tt.kind == "TimeoutError") {
					t.Errorf("%v: fatal is %v", e, e.Fatal)
				}
			}
			if got != tt.kind {
				t.Errorf("error %v, want %q", err, tt.kind)
			}
		})
	}
}

func TestTheClockAndTheContextStopARender(t *testing.T) {
	limits := roomy
	limits.Time = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	given := NewThread(ctx, NewBudget(roomy), nil)
	defer given.End()
	for name, thread := range map[string]*Thread{"the clock": newTestThread(t, limits), "the context": given} {
		deadline := time.Now().Add(10 * time.Second)
		for thread.Step(1) == nil {
			if time.Now().After(deadline) {
				t.Fatalf("%s did not stop it", name)
			}
		}
		if err := thread.Step(1); !strings.Contains(err.Error(), "TimeoutError") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A text that + makes piece by piece shares its buffer with the shorter ones
// before it. None of them may change.
func TestAppendedTextsStayAsTheyWere(t *testing.T) {
	thread := newTestThread(t, roomy)
	base := strings.Repeat("é", minJoined)
	var made, want []string
	text, plain := base, base
	for i := range 100 {
		for _, other := range []string{"side branch", ""} {
			branch, err := thread.appended(text, other)
			if err != nil {
				t.Fatal(err)
			}
			made, want = append(made, branch), append(want, plain+other)
		}
		piece := strings.Repeat(string(rune('a'+i%26)), i)
		var err error
		if text, err = thread.appended(text, piece); err != nil {
			t.Fatal(err)
		}
		plain += piece
		made, want = append(made, text), append(want, plain)
	}
	for i := range made {
		if made[i] != want[i] {
			t.Fatalf("text %d is %.100q, want %.100q", i, made[i], want[i])
		}
	}
}

func TestALongTextCostsItsLengthOnly(t *testing.T) {
	thread := newTestThread(t, roomy)
	text := ""
	for range 100_000 {
		var err error
		if text, err = thread.appended(text, "0123456789"); err != nil {
			t.Fatal(err)
		}
	}
	if cost := roomy.Memory - thread.left.memory; cost > int64(5*len(text)) {
		t.Errorf("%d bytes cost %d", len(text), cost)
	}
}
