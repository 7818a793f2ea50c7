package refusal

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
func TestSince(t *testing.T) { synctest.Test(t, testSince) }

func testSince(t *testing.T) {
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
	time.Sleep(time.Millisecond)
	l.Note(Refusal{Name: "web1", UUID: id(1), State: api.Unserved, Reason: "host name in use"})
	if r, _ := l.Of(id(1)); !r.Since.Equal(time.Now()) || r.State != api.Unserved {
		t.Errorf("another state is as old as the first one: %+v", r)
	}
}

// A refusal that is not repeated is forgotten a week later, wherever one asks.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Log
		l.Note(Refusal{Name: "web1", UUID: id(1), State: api.Refused})
		for _, tt := range []struct {
			later time.Duration
			want  bool
		}{{keepTime, true}, {time.Nanosecond, false}} {
			time.Sleep(tt.later)
			_, ok := l.Of(id(1))
			refused, _ := l.Count()
			if ok != tt.want || len(l.All()) == 1 != tt.want || len(l.Find("web1")) == 1 != tt.want || refused == 1 != tt.want {
				t.Errorf("%v later: %v, %q, found %q, %d refused", tt.later, ok, names(l.All()), names(l.Find("web1")), refused)
			}
		}
	})
}

// What other users upload neither replaces what root's sources say, nor is it replaced by
// nothing.
func TestUploadsOfOthers(t *testing.T) {
	var l Log
	note := func(name, source string) {
		l.Note(Refusal{Name: name, UUID: id(1), State: api.Refused, Source: source})
	}
	for _, tt := range []struct{ name, source, want string }{
		{"upload", instance.ByLocal, "upload"},
		{"another upload", instance.ByLocal, "another upload"},
		{"hook", instance.ByHook, "hook"},
		{"third upload", instance.ByLocal, "hook"},
		{"libvirt", "", "libvirt"},
	} {
		note(tt.name, tt.source)
		if r, _ := l.Of(id(1)); r.Name != tt.want {
			t.Errorf("after %q it is %q, want %q", tt.name, r.Name, tt.want)
		}
	}
}

// With a fault comes first, then what is not served; uploads by other users are last in
// each.
func TestOrder(t *testing.T) {
	var l Log
	for n, r := range []Refusal{
		{Name: "d", State: api.Unserved}, {Name: "a", State: api.Refused, Source: instance.ByLocal}, {Name: "c", State: api.Refused},
		{Name: "b", State: api.Refused}, {Name: "a", State: api.Unserved, Source: instance.ByLocal},
	} {
		r.UUID = id(n)
		l.Note(r)
	}
	if got := names(l.All()); got != "b c a d a" {
		t.Errorf("all are %q", got)
	}
}

// Who has to go if there are too many: uploads first, then what is not served, then the
// one that was repeated longest ago. A domain that is known takes no place of another.
func TestLeastNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Log
		special := []Refusal{
			{Name: "old fault", UUID: id(-1), State: api.Refused},
			{Name: "old", UUID: id(-2), State: api.Unserved},
			{Name: "new", UUID: id(-3), State: api.Unserved},
			{Name: "upload", UUID: id(-4), State: api.Refused, Source: instance.ByLocal},
		}
		for _, r := range special {
			l.Note(r)
			time.Sleep(time.Second)
		}
		for n := range most - len(special) {
			l.Note(Refusal{Name: "fault", UUID: id(n), State: api.Refused})
		}
		left := func() (names []string) {
			for _, r := range special {
				if _, ok := l.Of(r.UUID); ok {
					names = append(names, r.Name)
				}
			}
			return names
		}
		time.Sleep(time.Second)
		for n, want := range []string{"old fault, old, new, upload", "old fault, old, new", "old fault, new", "old fault", ""} {
			if got := strings.Join(left(), ", "); got != want {
				t.Errorf("%d too many: left are %q, want %q", n, got, want)
			}
			l.Note(Refusal{Name: "fault", UUID: id(n), State: api.Refused}) // again
			if got := strings.Join(left(), ", "); got != want {
				t.Errorf("a known domain took a place: left are %q, want %q", got, want)
			}
			l.Note(Refusal{Name: "further fault", UUID: id(most + n), State: api.Refused})
		}
	})
}

// Names and reasons are cut between characters.
func TestLimited(t *testing.T) {
	var l Log
	fits, long := strings.Repeat("x", maxText), "x"+strings.Repeat("ä", maxText)
	l.Note(Refusal{Name: fits, Reason: fits, UUID: id(1)})
	l.Note(Refusal{Name: long, Reason: long, UUID: id(2)})
	cut := "x" + strings.Repeat("ä", maxText/2-1) + "…"
	if r, _ := l.Of(id(1)); r.Name != fits || r.Reason != fits {
		t.Errorf("cut, although it fits: %d and %d bytes", len(r.Name), len(r.Reason))
	}
	if r, _ := l.Of(id(2)); r.Name != cut || r.Reason != cut {
		t.Errorf("cut to %q and %q", r.Name, r.Reason)
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
