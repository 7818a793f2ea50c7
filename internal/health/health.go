// Package health names what is wrong with a server that runs. The parts of the
// server report their own troubles; this package has what they share, and looks
// at the host's disks and clock.
package health

import (
	"slices"
	"sync"
	"time"

	"mdserver/internal/api"
)

// State is how a part of the server is.
type State = api.Condition

// The states, from good to bad.
const (
	OK      = api.OK
	Warning = api.Warning
	Wrong   = api.Wrong
)

// Trouble is something that is wrong now, or was and can come back.
type Trouble = api.Trouble

// Part is the health of one part of the server.
type Part = api.Part

// Monitor remembers since when each part is in its state. The zero value is
// ready to use.
type Monitor struct {
	mu    sync.Mutex
	parts map[string]Part
}

// Observe returns the health of the named parts, and of others that have
// troubles, after those. Parts that it is no longer given are forgotten.
func (m *Monitor) Observe(now time.Time, names []string, found []Trouble) []Part {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range found {
		if !slices.Contains(names, t.Part) {
			names = append(slices.Clip(names), t.Part)
		}
	}
	before := m.parts
	m.parts = make(map[string]Part, len(names))
	var list []Part
	for _, name := range names {
		part := judged(name, now, found)
		if old := before[name]; old.State == part.State {
			part.Since = old.Since
		}
		m.parts[name] = part
		list = append(list, part)
	}
	return list
}

// judged is the health of one part, as of now or since its first trouble.
func judged(name string, now time.Time, found []Trouble) Part {
	part := Part{Name: name, State: OK, Since: now}
	for _, t := range found {
		if t.Part != name {
			continue
		}
		part.Trouble = append(part.Trouble, t)
		part.State = worse(part.State, t.State)
		if !t.Since.IsZero() && t.Since.Before(part.Since) {
			part.Since = t.Since
		}
	}
	return part
}

func worse(a, b State) State {
	order := []State{OK, Warning, Wrong}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}
