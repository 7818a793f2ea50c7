package process

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPauseBetweenStarts(t *testing.T) {
	failure := errors.New("no such interface")
	var a attempts
	var got []time.Duration
	for range 12 {
		got = append(got, a.ended(0, failure))
	}
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(got, want) {
		t.Errorf("pauses %v, want %v", got, want)
	}
	if got := a.ended(steady+time.Second, failure); got != firstBackoff {
		t.Errorf("after a long run the pause is %v", got)
	}
	if got := a.ended(steady, failure); got != 2*firstBackoff {
		t.Errorf("after a run that is just too short the pause is %v", got)
	}
	if a.ended(0, nil); a.failed != 0 {
		t.Errorf("%d failures after an end of our own", a.failed)
	}
}

// One end is told until dnsmasq runs again, several until it has run for long.
func TestTroubleOfStarts(t *testing.T) {
	const once, often = "it ended", "dnsmasq failed 4 times in succession, mdserver keeps trying: it ended"
	for _, c := range []struct {
		failed  int
		running bool
		ran     time.Duration
		want    string
	}{
		{0, false, 0, ""}, {0, true, 0, ""},
		{1, false, 0, once}, {1, true, 0, ""},
		{4, false, 0, often}, {3, true, time.Second, strings.Replace(often, "4", "3", 1)}, {2, true, 0, ""}, {4, true, time.Second, often}, {4, true, steady, often}, {4, true, steady + 1, ""},
	} {
		var a attempts
		for range c.failed {
			a.ended(0, errors.New("it ended"))
		}
		if got := a.trouble(c.running, c.ran); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
