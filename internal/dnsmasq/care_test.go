package dnsmasq

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// timedFinding is one finding, some time after the first.
type timedFinding struct {
	finding
	after time.Duration
}

// every makes findings that follow each other at a regular interval.
func every(interval time.Duration, findings ...finding) []timedFinding {
	var list []timedFinding
	for i, f := range findings {
		list = append(list, timedFinding{f, time.Duration(i) * interval})
	}
	return list
}

func TestCare(t *testing.T) {
	const patience = 10 * time.Second
	times := func(n int, f finding) []finding { return slices.Repeat([]finding{f}, n) }
	for name, c := range map[string]struct {
		looks []timedFinding
		want  map[int]remedy // by the number of the look, from 1; nothing else is done
	}{
		"healthy":                        {every(time.Second, times(50, healthy)...), nil},
		"no network":                     {every(time.Second, times(50, unreachable)...), nil},
		"one answer is missing":          {every(time.Minute, mute, healthy, mute, healthy, mute, healthy), nil},
		"hung":                           {every(time.Minute, mute, mute, mute), map[int]remedy{3: replace}},
		"reads its files":                {every(time.Second, times(9, mute)...), nil},
		"does not end to read its files": {every(time.Second, times(11, mute)...), map[int]remedy{11: replace}},
		"replaced in vain":               {every(time.Minute, times(21, mute)...), map[int]remedy{3: replace, 9: replace, 21: replace}},
		"hung again after a recovery":    {every(time.Minute, mute, mute, mute, healthy, mute, mute, mute), map[int]remedy{3: replace, 7: replace}},
		"the network went meanwhile":     {every(time.Minute, mute, mute, unreachable, mute, mute), nil},
		"other answers":                  {every(time.Second, times(40, differs)...), map[int]remedy{1: reload, 2: restart}},
		"other answers, twice":           {every(time.Second, differs, healthy, differs), map[int]remedy{1: reload, 3: reload}},
		"another configuration": {every(time.Second, times(5, outdated)...),
			map[int]remedy{1: restart, 2: restart, 4: restart}},
		"files are not read": {every(time.Second, times(33, lagging)...),
			map[int]remedy{1: reload, 2: restart, 4: reload, 8: reload, 16: reload, 32: reload}},
	} {
		t.Run(name, func(t *testing.T) {
			var care care
			start := time.Now()
			for i, look := range c.looks {
				if got := care.treat(look.finding, start.Add(look.after), patience); got != c.want[i+1] {
					t.Errorf("look %d: remedy %d, want %d", i+1, got, c.want[i+1])
				}
			}
		})
	}
}

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
	a.ended(0, failure)
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
		{4, false, 0, often}, {4, true, time.Second, often}, {4, true, steady + 1, ""},
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
