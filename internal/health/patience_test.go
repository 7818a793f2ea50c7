package health

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A look that hangs is reported, is not made again meanwhile, and is over when it
// returns.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Patience
		var calls atomic.Int32
		answer := make(chan struct{})
		find := func() []Trouble {
			calls.Add(1)
			<-answer
			return nil
		}
		look := func() []Trouble { return p.Look(2*time.Second, find) }
		began := time.Now()
		for _, want := range []string{"for 2s", "for 4s"} {
			if got := look(); len(got) != 1 || got[0].Part != "disk" || got[0].State != Wrong || !got[0].Since.Equal(began) || !strings.Contains(got[0].Message, want) {
				t.Errorf("while it hangs: %+v, want %q", got, want)
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("looked %d times while the first look hangs", n)
		}
		close(answer)
		synctest.Wait()
		for range 2 {
			if got := look(); len(got) != 0 {
				t.Errorf("afterwards: %+v", got)
			}
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("looked %d times, want 2", n)
		}
	})
}

// Of two callers who waited for one look, the second does not end the next look.
func TestPatienceOfTwoCallers(t *testing.T) {
	var p Patience
	first := p.begin(func() []Trouble { return nil })
	<-first.done
	p.end(first)
	hangs := make(chan struct{})
	next := p.begin(func() []Trouble { <-hangs; return nil })
	p.end(first)
	if again := p.begin(func() []Trouble { return nil }); again != next {
		t.Error("there are two looks at a time")
	}
	close(hangs)
	<-next.done
}
