//go:build e2e

package attacks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mdserver/test/wire"
)

// kept is a connection that stays open between requests.
type kept struct {
	conn net.Conn
	read *bufio.Reader
	way  way
}

// keep connects a guest with the server for the rest of the test.
func (g *guest) keep(t *testing.T, w way) (k *kept) {
	t.Helper()
	eventually(t, "a kept connection by "+w.String(), func() (err error) {
		k, err = g.connect(w, g.addr(w))
		return err
	})
	t.Cleanup(func() { _ = k.conn.Close() })
	return k
}

// connect also has the guest served as itself, which is the control.
func (g *guest) connect(w way, from netip.Addr) (*kept, error) {
	conn, err := dial(g, w, from)
	if err != nil {
		return nil, err
	}
	k := &kept{conn, bufio.NewReader(conn), w}
	if got := k.ask(); !strings.Contains(got, g.secret) {
		return nil, errors.Join(fmt.Errorf("the answer is %.200q", got), conn.Close())
	}
	return k, nil
}

// ask sends a request and returns the answer, or nothing if the connection was
// closed.
func (k *kept) ask() string {
	if err := k.conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return ""
	}
	if _, err := io.WriteString(k.conn, request(k.way, "GET", "/latest/user-data")); err != nil {
		return ""
	}
	resp, err := http.ReadResponse(k.read, nil)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// heir is a guest with the victim's former address.
func (a *arena) heir(t *testing.T, of *guest) *guest {
	t.Helper()
	heir := a.guest(t, form{metadata: fmt.Sprintf("<m:ipv4>%s</m:ipv4><m:ipv6>%s</m:ipv6>", of.inst.IPv4, of.inst.IPv6)})
	if heir.inst.IPv4 != of.inst.IPv4 || heir.inst.IPv6 != of.inst.IPv6 {
		t.Fatalf("the heir has %s and %s, want %s and %s", heir.inst.IPv4, heir.inst.IPv6, of.inst.IPv4, of.inst.IPv6)
	}
	return heir
}

func (a *arena) release(t *testing.T, g *guest) {
	t.Helper()
	if _, err := a.admin.Release(suite.ctx, g.inst.UUID.String()); err != nil {
		t.Fatal(err)
	}
}

func TestKeepConnectionOverRelease(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		var connections []*kept
		for _, w := range ways {
			connections = append(connections, a.attacker.keep(t, w))
		}
		a.release(t, a.attacker)
		for _, k := range connections {
			if got := k.ask(); strings.Contains(got, a.attacker.secret) {
				t.Errorf("by %s: a guest that is gone is served: %.200q", k.way, got)
			}
		}
		heir := a.heir(t, a.attacker)
		for _, k := range connections {
			if got := k.ask(); strings.Contains(got, heir.secret) {
				t.Errorf("by %s: a connection of the guest before reads the next one's: %.200q", k.way, got)
			}
		}
	})
}

// The address goes to another guest while both are there.
func TestKeepConnectionOverChangeOfOwner(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		var connections []*kept
		for _, w := range ways {
			connections = append(connections, a.attacker.keep(t, w))
		}
		before := a.attacker.inst
		err := a.attacker.register(domain{name: before.Name, uuid: before.UUID.String(), mac: a.attacker.MAC, port: a.attacker.Port(),
			metadata: fmt.Sprintf("<m:ipv4>10.122.200.%d</m:ipv4><m:ipv6>fd00:122::200:%d</m:ipv6>", a.guests.Load()%250+1, a.guests.Load())})
		if err != nil {
			t.Fatal(err)
		}
		former := *a.attacker
		former.inst = before
		heir := a.heir(t, &former)
		for _, k := range connections {
			if got := k.ask(); strings.Contains(got, heir.secret) {
				t.Errorf("by %s: a kept connection reads what is the next owner's: %.200q", k.way, got)
			}
		}
	})
}

// Who was released still has the address that is another's now.
func TestUseReleasedAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.release(t, a.attacker)
		for _, w := range ways {
			if got, _ := ask(a.attacker, w, get(w, "/latest/user-data")); strings.Contains(got, a.attacker.secret) {
				t.Errorf("by %s: a guest that is gone is served: %.200q", w, got)
			}
		}
		heir := a.heir(t, a.attacker)
		heir.off(t)
		for _, w := range ways {
			h := a.attacker.host(t, w)
			h.Announce(a.target(w))
			if got, _ := h.Ask(a.target(w), everything(w)); strings.Contains(got, heir.secret) {
				t.Errorf("by %s: the guest before reads what is the heir's: %.200q", w, got)
			}
		}
		heir.on(t)
	})
}

// A guest of the same name gets its own template's text, not what was kept.
func TestReadKeptUserdataOfReleasedGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		if err := a.victim.reads(byIPv4); err != nil {
			t.Fatal(err)
		}
		a.release(t, a.victim)
		name := a.victim.inst.Name
		if err := a.victim.Remove(suite.ctx); err != nil {
			t.Fatal(err)
		}
		heir := a.guest(t, form{name: name + "-heir", metadata: fmt.Sprintf("<m:hostname>%s</m:hostname><m:ipv4>%s</m:ipv4>", name, a.victim.inst.IPv4)})
		got, err := ask(heir, byIPv4, everything(byIPv4))
		if err != nil || strings.Contains(got, a.victim.secret) || !strings.Contains(got, heir.secret) {
			t.Errorf("the heir gets %v %.300q", err, got)
		}
	})
}

// The address of a guest that was removed is not at once another's.
func TestTakeRestingAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		addr := a.victim.inst.IPv4
		a.release(t, a.victim)
		for range 5 {
			if g := a.guest(t, form{}); g.inst.IPv4 == addr {
				t.Errorf("%s is given away at once", addr)
			}
		}
	})
}

// The first requests after a start find nothing half known.
func TestAskAsVictimWhileServerStarts(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		if err := a.server.Stop(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(suite.ctx)
		defer stop()
		answers := make(chan string, 1000)
		go func() { // ends with ctx
			defer close(answers)
			for ctx.Err() == nil && len(answers) < 900 {
				for _, mac := range []bool{false, true} {
					h := a.attackerHost(byIPv4, mac)
					if h == nil {
						return
					}
					h.Announce(a.target(byIPv4))
					got, _ := h.Ask(a.target(byIPv4), everything(byIPv4))
					_ = h.Link.Close()
					answers <- got
				}
			}
		}()
		if err := a.server.Start(suite.ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		stop()
		for got := range answers {
			a.safe(t, "while the server starts", got)
		}
		a.served(t)
	})
}

// attackerHost is the victim made of frames at the attacker's port.
func (a *arena) attackerHost(w way, withMAC bool) *wire.Host {
	l, err := wire.Open(a.attacker.Namespace, "eth0")
	if err != nil {
		return nil
	}
	h := &wire.Host{Link: l, MAC: l.MAC, Addr: a.victim.addr(w)}
	if withMAC {
		h.MAC = a.victim.mac
	}
	return h
}

// Known guests are known by their ports still, before libvirt has told of them.
func TestCloneMACAfterRestart(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		a.victim.off(t)
		if err := a.server.Stop(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if err := a.server.Start(suite.ctx); err != nil {
			t.Fatal(err)
		}
		byEach(t, func(t *testing.T, w way) {
			a.clone(t, w, asIs)
			a.impostor(t, w, func(h *wire.Host) { h.Said = a.victim.mac })
		})
		a.victim.on(t)
		a.served(t)
	})
}

// With port security, what it lets through stays while the server is down.
func TestRogueServerWhileServerIsDown(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		if err := a.server.Stop(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		mark := "while-the-server-is-down"
		p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.victim.mac, Src: netip.MustParseAddr("169.254.169.254"), Dst: a.victim.inst.IPv4}
		a.crosses(t, a.victim.link(t), "an answer of a rogue metadata server", p.UDP(80, 80, []byte(mark)), mark)
	})
}
