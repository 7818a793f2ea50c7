package refusal

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

func id(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)) }

func names(all []Refusal) string {
	var list []string
	for _, r := range all {
		list = append(list, r.Name)
	}
	return strings.Join(list, " ")
}

func TestLog(t *testing.T) {
	var l Log
	l.Note(Refusal{Name: "web2", UUID: id(2), State: api.Refused, Reason: "MAC address in use"})
	l.Note(Refusal{Name: "a", UUID: id(3), State: api.Unserved, MACs: []instance.MAC{{0x52, 0x54, 0, 0, 0, 3}}})
	l.Note(Refusal{Name: "web1", UUID: id(1), State: api.Refused, Reason: "address in use"})
	l.Note(Refusal{Name: "nobody", State: api.Refused})
	if got := names(l.All()); got != "web1 web2 a" {
		t.Errorf("all are %q, want those with a fault first, by name", got)
	}
	if refused, unserved := l.Count(); refused != 2 || unserved != 1 {
		t.Errorf("%d refused and %d unserved, want 2 and 1", refused, unserved)
	}
	for ref, want := range map[string]string{"web2": "web2", id(1).String(): "web1", "52:54:00:00:00:03": "a", "web3": "", "": ""} {
		if got := names(l.Find(ref)); got != want {
			t.Errorf("%q means %q, want %q", ref, got, want)
		}
	}
	l.Note(Refusal{Name: "forged", UUID: id(1), State: api.Refused, Source: instance.ByLocal})
	if r, _ := l.Of(id(1)); r.Name != "web1" {
		t.Errorf("an unprivileged user's upload replaced the refusal of web1: %+v", r)
	}
	l.Clear(id(2))
	if _, ok := l.Of(id(2)); ok {
		t.Error("web2 is still refused")
	}
}

// The time of the first refusal stays as long as the reason does.
func TestSince(t *testing.T) {
	var l Log
	note := func(reason string) Refusal {
		l.Note(Refusal{Name: "web1", UUID: id(1), State: api.Refused, Reason: reason})
		r, _ := l.Of(id(1))
		return r
	}
	first := note("address in use")
	time.Sleep(time.Millisecond)
	if again := note("address in use"); again.Since != first.Since || !again.Last.After(first.Last) {
		t.Errorf("the same reason: %v then %v", first, again)
	}
	if other := note("host name in use"); !other.Since.After(first.Since) {
		t.Errorf("another reason is as old as the first one: %v then %v", first, other)
	}
}

// What libvirt no longer has is forgotten, unless it was refused after libvirt
// was asked.
func TestKeep(t *testing.T) {
	var l Log
	l.Note(Refusal{Name: "gone", UUID: id(1), State: api.Refused})
	l.Note(Refusal{Name: "here", UUID: id(2), State: api.Refused})
	asked := time.Now()
	l.Note(Refusal{Name: "later", UUID: id(3), State: api.Refused})
	l.Keep(asked, func(u uuid.UUID) bool { return u == id(2) })
	if got := names(l.All()); got != "here later" {
		t.Errorf("kept are %q", got)
	}
}

// However many domains are refused and however long their names are, memory is
// bounded, and what has a fault stays longest.
func TestBounded(t *testing.T) {
	var l Log
	l.Note(Refusal{Name: "fault", UUID: id(-1), State: api.Refused})
	for n := range most + 100 {
		l.Note(Refusal{Name: strings.Repeat("ä", maxText), UUID: id(n), State: api.Unserved})
	}
	all := l.All()
	if len(all) != most || all[0].Name != "fault" {
		t.Errorf("%d are remembered, the first is %q", len(all), all[0].Name)
	}
	if longest := slices.MaxFunc(all, func(a, b Refusal) int { return len(a.Name) - len(b.Name) }); len(longest.Name) > maxText+len("…") {
		t.Errorf("a name of %d bytes is kept", len(longest.Name))
	}
}

func TestConcurrent(t *testing.T) {
	var l Log
	var working sync.WaitGroup
	for n := range 8 {
		working.Go(func() {
			for i := range 100 {
				l.Note(Refusal{Name: "x", UUID: id(i), State: api.Refused})
				l.Find("x")
				l.Clear(id(i + n))
				l.Keep(time.Now(), func(uuid.UUID) bool { return i%2 == 0 })
			}
		})
	}
	working.Wait()
}
