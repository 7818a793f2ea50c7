// Package refusal remembers which domains are no guests, and why, so that an
// administrator who misses a guest finds it. It keeps a bounded number of
// domains in memory: what is refused is tried again soon, by libvirt's events or
// by the guest's next start.
package refusal

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// Refusal is one domain that is not served as it is defined now.
type Refusal = api.Refusal

const (
	// most is how many domains are remembered.
	most = 4096
	// maxText is the length of a name or a reason that is kept, in bytes.
	maxText = 1024
	// keepTime is how long a refusal is kept that is not repeated. libvirt's
	// domains are checked more often; the hook reports a domain at each start.
	keepTime = 7 * 24 * time.Hour
)

// Log remembers refusals, the latest of each domain. The zero Log is empty and
// ready. All methods may be called from any goroutine.
type Log struct {
	mu   sync.Mutex
	byID map[uuid.UUID]Refusal
}

// Note remembers that a domain was refused. A domain without a UUID cannot be
// told from others, and is not remembered.
func (l *Log) Note(r Refusal) {
	if r.UUID == uuid.Nil {
		return
	}
	r.Name, r.Reason = limited(r.Name), limited(r.Reason)
	r.Last = time.Now()
	r.Since = r.Last
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[uuid.UUID]Refusal{}
	}
	before, known := l.byID[r.UUID]
	switch {
	case known && local(r) && !local(before):
		return
	case known && before.State == r.State && before.Reason == r.Reason:
		r.Since = before.Since
	case !known && len(l.byID) >= most:
		delete(l.byID, l.leastNeeded())
	}
	l.byID[r.UUID] = r
}

// limited bounds a text that others chose.
func limited(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}

// leastNeeded is the domain whose refusal was repeated longest ago. What other
// users of this host upload comes first, then what is on networks that are not
// served.
func (l *Log) leastNeeded() uuid.UUID {
	var least *Refusal
	for _, r := range l.byID {
		if least == nil || cmp.Or(rank(r)-rank(*least), r.Last.Compare(least.Last)) < 0 {
			least = &r
		}
	}
	return least.UUID
}

func rank(r Refusal) int {
	switch {
	case local(r):
		return 0
	case r.State == api.Unserved:
		return 1
	}
	return 2
}

// local reports whether only unprivileged users have registered the domain.
func local(r Refusal) bool { return r.Source == instance.ByLocal }

// Clear forgets a domain: it is a guest now, or libvirt no longer has it.
func (l *Log) Clear(id uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, id)
}

// Keep forgets the domains that were refused before a moment and are not among
// those that libvirt has.
func (l *Log) Keep(before time.Time, here func(uuid.UUID) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, r := range l.byID {
		if r.Last.Before(before) && !here(id) {
			delete(l.byID, id)
		}
	}
}

// Of gives what is remembered of one domain.
func (l *Log) Of(id uuid.UUID) (Refusal, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.byID[id]
	return r, ok && !stale(r)
}

// Find gives the domains that a name, a UUID or a MAC address means.
func (l *Log) Find(ref string) []Refusal {
	id, _ := uuid.Parse(ref)
	mac, err := instance.ParseMAC(ref)
	return slices.DeleteFunc(l.All(), func(r Refusal) bool {
		return r.Name != ref && r.UUID != id && (err != nil || !slices.Contains(r.MACs, mac))
	})
}

// All gives every refusal: first those with a fault, each sorted by name.
func (l *Log) All() []Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []Refusal{}
	for _, r := range l.byID {
		if !stale(r) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(strings.Compare(string(a.State), string(b.State)), rank(b)-rank(a), strings.Compare(a.Name, b.Name), slices.Compare(a.UUID[:], b.UUID[:]))
	})
	return all
}

func stale(r Refusal) bool { return time.Since(r.Last) > keepTime }

// Count counts the refusals by their state.
func (l *Log) Count() (refused, unserved int) {
	for _, r := range l.All() {
		if r.State == api.Unserved {
			unserved++
			continue
		}
		refused++
	}
	return refused, unserved
}
