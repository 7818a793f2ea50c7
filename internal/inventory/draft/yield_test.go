package draft_test

import (
	"errors"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// TestGoneYields: a guest that is gone keeps nothing from another; one that is
// there does.
func TestGoneYields(t *testing.T) {
	sameMAC := dom(2, "other")
	sameMAC.Interfaces = dom(1, "web1").Interfaces
	for name, tt := range map[string]struct {
		first, second instance.Domain
		conflict      error
	}{
		"the MAC address": {dom(1, "web1"), sameMAC, denied.ErrMACInUse},
		"the host name":   {dom(1, "web1", "hostname", "www"), dom(2, "other", "hostname", "www"), denied.ErrHostnameTaken},
		"the address":     {dom(1, "web1", "ipv4", "10.0.0.3"), dom(2, "other", "ipv4", "10.0.0.3"), denied.ErrAddressTaken},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.MustObserve(tt.first, true)
			if _, err := l.Observe(background(), tt.second, true); !errors.Is(err, tt.conflict) {
				t.Fatalf("beside the first guest: %v", err)
			}
			l.MustMiss(1, true)
			if _, err := l.Observe(background(), tt.second, true); !errors.Is(err, tt.conflict) {
				t.Fatalf("while the first guest is away: %v", err)
			}
			l.MustObserve(tt.first, true)
			l.MustMiss(1, false)
			reg, err := l.Observe(background(), tt.second, true)
			if err != nil {
				t.Fatal(err)
			}
			if len(reg.Yielded) != 1 || reg.Yielded[0].UUID != uid(1) || l.Present(1) != "" {
				t.Errorf("yielded %v; the first guest is %q", reg.Yielded, l.Present(1))
			}
		})
	}
}

// TestRefusalReleasesNobody: who is gone rests on if the other is refused.
func TestRefusalReleasesNobody(t *testing.T) {
	l := newLab(t)
	l.MustObserve(dom(1, "web1"), true)
	l.MustObserve(dom(2, "web2", "hostname", "www"), true)
	l.MustMiss(1, false)
	refused := dom(3, "other", "hostname", "www")
	refused.Interfaces = dom(1, "web1").Interfaces
	if _, err := l.Observe(background(), refused, true); !errors.Is(err, denied.ErrHostnameTaken) {
		t.Fatal(err)
	}
	if l.Present(1) != instance.Gone {
		t.Errorf("the first guest is %q", l.Present(1))
	}
}

// TestFullNetworkTakesFromGone: where no address is left and none rests, the
// guest that is gone longest gives its own.
func TestFullNetworkTakesFromGone(t *testing.T) {
	l := newLab(t)
	const room = 10
	for n := range room {
		l.MustObserve(dom(n, string(rune('a'+n))), true)
	}
	for _, n := range []int{3, 2, 4} {
		l.MustMiss(n, false)
		l.Clock.Advance(1)
	}
	former, _ := l.Snapshot().ByUUID(uid(3))
	reg, err := l.Observe(background(), dom(room, "new"), true)
	if err != nil || reg.AddressProblem != nil {
		t.Fatal(err, reg.AddressProblem)
	}
	if reg.Instance.IPv4 != former.IPv4 || l.Present(3) != "" || l.Present(2) != instance.Gone {
		t.Errorf("it has %v, the guest that was gone longest had %v; they are %q and %q", reg.Instance.IPv4, former.IPv4, l.Present(3), l.Present(2))
	}
}
