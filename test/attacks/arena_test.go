//go:build e2e

package attacks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

// arena is where an attack takes place.
type arena struct {
	*site
	victim, attacker *guest
}

// attack runs an attack with port security and without, each time against a
// victim of its own on a host that other attacks share.
func attack(t *testing.T, f func(*testing.T, *arena)) {
	t.Helper()
	t.Parallel()
	for p, s := range suite.shared {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			f(t, newPair(t, s.get(t, p)))
		})
	}
}

// requests runs an attack that does no more than ask: its guests are shared.
func requests(t *testing.T, f func(*testing.T, *arena)) {
	t.Helper()
	t.Parallel()
	for p, s := range suite.shared {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			f(t, s.getPair(t, p))
		})
	}
}

// alone runs an attack on a host of its own, whose configuration it may edit.
func alone(t *testing.T, edit func(*lab.Lab, lab.Config), f func(*testing.T, *arena)) {
	t.Helper()
	t.Parallel()
	for _, p := range []protection{plain, secured} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			s, err := newSite(p, edit)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(s.Logs())
				}
				if err := s.Close(); err != nil {
					t.Error("closing the lab:", err)
				}
			})
			s.lone = true
			f(t, newPair(t, s))
		})
	}
}

// byEach runs an attack by each way to the server.
func byEach(t *testing.T, f func(*testing.T, way)) {
	t.Helper()
	for _, w := range ways {
		t.Run(w.String(), func(t *testing.T) { f(t, w) })
	}
}

func newPair(t *testing.T, s *site) *arena {
	t.Helper()
	return &arena{site: s, victim: s.guest(t, form{}), attacker: s.guest(t, form{})}
}

// guest adds a guest for the time of the test.
func (s *site) guest(t *testing.T, f form) *guest {
	t.Helper()
	g, err := s.addGuest(f)
	if err != nil {
		t.Fatal(err)
	}
	if s.lone {
		return g // it goes with the site
	}
	t.Cleanup(func() {
		if err := g.remove(); err != nil {
			t.Errorf("removing %s: %v", g.Label, err)
		}
	})
	return g
}

func (s *shared) getPair(t *testing.T, p protection) *arena {
	t.Helper()
	on := s.get(t, p)
	s.pairOnce.Do(func() {
		victim, err := on.addGuest(form{})
		attacker, attackerErr := on.addGuest(form{})
		if s.pairErr = errors.Join(err, attackerErr); s.pairErr == nil {
			s.pair = &arena{site: on, victim: victim, attacker: attacker}
		}
	})
	if s.pairErr != nil {
		t.Fatal(s.pairErr)
	}
	return s.pair
}

// safe checks that nothing of the victim's is in what the attacker got.
func (a *arena) safe(t *testing.T, what, got string) {
	t.Helper()
	if strings.Contains(got, a.victim.secret) {
		t.Errorf("%s: the attacker reads what is the victim's: %.120q", what, got)
	}
}

// served checks that the victim is still served as itself.
func (a *arena) served(t *testing.T) {
	t.Helper()
	for _, w := range ways {
		a.honest(t, "the victim is served by "+w.String(), w, a.victim.addr(w), func() error { return a.victim.reads(w) })
	}
}

// honest waits until the victim can do something from one of its addresses. Without
// port security it and the host may believe lies about each other for a while: it
// announces itself and forgets what it believes.
func (a *arena) honest(t *testing.T, what string, w way, from netip.Addr, f func() error) {
	t.Helper()
	truth := a.victim.host(t, w)
	defer truth.Link.Close()
	truth.Addr = from
	eventually(t, what, func() error {
		err := f()
		if err != nil && a.protection == plain {
			truth.Announce(a.target(w))
			_ = a.victim.IP(suite.ctx, "neighbour", "flush", "dev", "eth0")
		}
		return err
	})
}

// reads checks that a guest gets its own secret.
func (g *guest) reads(w way) error {
	got, err := ask(g, w, get(w, "/latest/user-data"))
	if err == nil && !strings.Contains(got, g.secret) {
		err = fmt.Errorf("its own user-data: %.300q", got)
	}
	return err
}

// target is the server as a host of frames asks it.
func (s *site) target(w way) wire.Server {
	return wire.Server{MAC: s.bridge, Addr: w.server(), Port: 80}
}

// crosses checks whether a frame of the attacker reaches the victim, or the
// host: with port security it must not, without it must, so that the frame is
// known to be one that matters. Other is who listens.
func (a *arena) crosses(t *testing.T, other *wire.Link, what string, frame []byte, mark string) {
	t.Helper()
	link := a.attacker.link(t)
	heard := a.tries(func(wait time.Duration) bool {
		if err := link.Send(frame); err != nil {
			t.Fatal(err)
		}
		return other.Hear(wait, func(frame []byte) bool { return strings.Contains(string(frame), mark) })
	})
	if heard && a.protection == secured {
		t.Errorf("%s reaches the victim in spite of port security", what)
	}
	if !heard && a.protection == plain {
		t.Errorf("%s reaches nobody even without port security: the test is no test", what)
	}
}

// tries has frames sent and waits for them. With port security they must not come,
// and none is waited for long. Without it they are sent again if they do not come: a
// link that hears another test's flood loses some.
func (a *arena) tries(heard func(wait time.Duration) bool) bool {
	if a.protection == secured {
		return heard(400 * time.Millisecond)
	}
	for range 4 {
		if heard(5 * time.Second) {
			return true
		}
	}
	return false
}

func poll(f func() error) error {
	return lab.Poll(suite.ctx, patience, func(context.Context) error { return f() })
}

// waitSecured waits until port security knows the guest's port.
func (s *site) waitSecured(g *guest) error {
	if s.protection == plain {
		return nil
	}
	return lab.Poll(suite.ctx, patience, func(ctx context.Context) error {
		rules, err := s.Host.Output(ctx, "nft", "list", "ruleset", "bridge")
		if err == nil && !strings.Contains(rules, `"`+g.Port()+`" : goto guest`) {
			err = fmt.Errorf("port security does not know %s as a guest's", g.Port())
		}
		return err
	})
}
