package dnsmasq

import (
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
