package object

import (
	"strings"
	"testing"
	"time"

	"mdserver/stpl/internal/meter"
)

func newTestThread(t *testing.T, limits meter.Limits) *Thread {
	t.Helper()
	thread := NewThread(t.Context(), meter.NewBudget(limits), nil)
	t.Cleanup(func() { thread.End() })
	return thread
}

var roomy = meter.Limits{Steps: 1 << 30, Memory: 1 << 30, Time: time.Hour, Recursion: 100}

func TestWhatIsRefused(t *testing.T) {
	tests := []struct {
		limit meter.Limit
		kind  string
		fatal bool // no template can catch it
	}{
		{"", "TimeoutError", true}, // a context that is done
		{meter.LimitSteps, "TimeoutError", true},
		{meter.LimitTime, "TimeoutError", true},
		{meter.LimitOutput, "MemoryError", true},
		{meter.LimitMemory, "MemoryError", false},
		{meter.LimitRecursion, "RecursionError", false},
	}
	for _, tt := range tests {
		e := refused(tt.limit, "100% of it").(*Exception)
		if e.KindName() != tt.kind || e.Fatal != tt.fatal || e.Limit != tt.limit || e.Message() != "100% of it" {
			t.Errorf("limit %q: %v, fatal %v, limit %q", tt.limit, e, e.Fatal, e.Limit)
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
	if _, cost := thread.End().Used(); cost > int64(5*len(text)) {
		t.Errorf("%d bytes cost %d", len(text), cost)
	}
}
