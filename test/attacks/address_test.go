//go:build e2e

package attacks

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

// take gives the attacker an address of the victim's beside its own.
func (a *arena) take(t *testing.T, w way) netip.Addr {
	t.Helper()
	addr := a.victim.addr(w)
	take(t, a.attacker, addr)
	return addr
}

func take(t *testing.T, g *guest, addr netip.Addr) {
	t.Helper()
	args := []string{"address", "add", addr.String() + "/" + lab.Prefix, "dev", "eth0"}
	if addr.Is6() {
		args = []string{"-6", "address", "add", addr.String() + "/64", "dev", "eth0", "nodad"}
	}
	if err := g.IP(suite.ctx, args...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		prefix := args[len(args)-3]
		if addr.Is6() {
			prefix = args[3]
		}
		_ = g.IP(context.Background(), "address", "del", prefix, "dev", "eth0")
	})
}

// asks has the attacker ask from an address that is not its own, a few times.
func (a *arena) asks(t *testing.T, w way, from netip.Addr) {
	t.Helper()
	for range 2 {
		got, _ := askFrom(a.attacker, w, from, everything(w))
		a.safe(t, "from "+from.String(), got)
	}
}

func (g *guest) off(t *testing.T) { t.Helper(); g.power(t, "down") }

// on switches a guest on again, with the addresses that it had.
func (g *guest) on(t *testing.T) {
	t.Helper()
	g.power(t, "up")
	if err := g.settle(); err != nil {
		t.Fatal(err)
	}
}

func (g *guest) power(t *testing.T, state string) {
	t.Helper()
	if err := g.IP(suite.ctx, "link", "set", "eth0", state); err != nil {
		t.Fatal(err)
	}
}

func TestClaimAddressOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) { a.asks(t, w, a.take(t, w)) })
		a.served(t)
	})
}

func TestClaimAddressOfVictimThatIsOff(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.victim.off(t)
		byEach(t, func(t *testing.T, w way) { a.asks(t, w, a.take(t, w)) })
		a.victim.on(t)
		a.served(t)
	})
}

func TestClaimAddressOfVictimThatReboots(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			addr := a.take(t, w)
			for range 3 {
				a.victim.off(t)
				a.asks(t, w, addr)
				a.victim.on(t)
				a.asks(t, w, addr)
			}
		})
		a.served(t)
	})
}

func TestClaimAddressByItsOwnNeighbourTable(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		// The attacker needs no answers by ARP: it knows where the server is.
		byEach(t, func(t *testing.T, w way) {
			for _, to := range []string{lab.Gateway, lab.Gateway6, w.server().String()} {
				if err := a.attacker.IP(suite.ctx, "neighbour", "replace", to, "lladdr", a.bridge.String(), "dev", "eth0"); err != nil {
					t.Fatal(err)
				}
			}
			a.asks(t, w, a.take(t, w))
		})
		a.served(t)
	})
}

// impostor asks as a host of frames that edit has made, and has the control
// that the attacker's own address works by frames as well.
func (a *arena) impostor(t *testing.T, w way, edit func(*wire.Host)) {
	t.Helper()
	h := a.attacker.host(t, w)
	h.Addr = a.victim.addr(w)
	edit(h)
	h.Announce(a.target(w))
	got, _ := h.Ask(a.target(w), everything(w))
	a.safe(t, "frames from "+h.Addr.String(), got)
}

// TestFramesOfTheRightfulGuest is the control of all tests by frames.
func TestFramesOfTheRightfulGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			h := a.victim.host(t, w)
			// the kernel must not answer for the same address
			if err := a.victim.IP(suite.ctx, "address", "flush", "dev", "eth0"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "frames from "+h.Addr.String(), func() error {
				got, err := h.Ask(a.target(w), everything(w))
				if n := strings.Count(got, a.victim.secret); err == nil && n < len(secretPaths) {
					err = fmt.Errorf("the secret is in %d of %d answers: %.800s", n, len(secretPaths), got)
				}
				return err
			})
			a.victim.on(t)
		})
	})
}

func TestAnnounceAddressOfVictimByARP(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.impostor(t, byIPv4, func(*wire.Host) {})
		a.victim.off(t)
		a.impostor(t, byIPv4, func(*wire.Host) {})
		a.victim.on(t)
		a.served(t)
	})
}

func TestAnnounceAddressOfVictimByNeighbourDiscovery(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, w := range []way{byIPv6, byLinkLocal} {
			a.impostor(t, w, func(*wire.Host) {})
			a.victim.off(t)
			a.impostor(t, w, func(*wire.Host) {})
			a.victim.on(t)
		}
		a.served(t)
	})
}

// Only what ARP says is forged: the frames bear the attacker's own MAC.
func TestForgeARPPayloadOfVictimThatIsOff(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.victim.off(t)
		a.impostor(t, byIPv4, func(h *wire.Host) { h.Said = a.victim.mac })
		a.flipsTheNeighbour(t, byIPv4)
		a.victim.on(t)
		a.served(t)
	})
}

func TestForgeNeighbourDiscoveryOfVictimThatIsOff(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.victim.off(t)
		for _, w := range []way{byIPv6, byLinkLocal} {
			a.impostor(t, w, func(h *wire.Host) { h.Said = a.victim.mac })
			a.flipsTheNeighbour(t, w)
		}
		a.victim.on(t)
		a.served(t)
	})
}

// flipsTheNeighbour connects as one host, and says to be another while the
// server may look.
func (a *arena) flipsTheNeighbour(t *testing.T, w way) {
	t.Helper()
	h := a.attacker.host(t, w)
	h.Addr = a.victim.addr(w)
	server := a.target(w)
	h.Announce(server)
	mine := h.MAC
	h.Before = func() {
		twin := *h
		twin.Before, twin.Said = nil, a.victim.mac
		twin.Announce(server)
		twin.Said = mine
		time.AfterFunc(50*time.Millisecond, func() { twin.Announce(server) })
	}
	got, _ := h.Ask(server, everything(w))
	a.safe(t, "while the neighbour table changes", got)
	time.Sleep(100 * time.Millisecond) // the last announcement is out
}

// hears asks whether the attacker hears the answers to the victim once the
// other hosts were told lies. With port security it must not. Without, it may:
// then the test shows that the lie is one.
func (a *arena) hears(t *testing.T, w way, lie func(*wire.Link)) {
	t.Helper()
	mark := a.victim.secret
	if a.protection == plain {
		mark = "HTTP/1.1 " // the server may refuse whose MAC moves about
	}
	heard := a.overhears(t, w, a.victim.addr(w), mark, lie)
	switch {
	case heard && a.protection == secured:
		t.Error("the attacker hears the answers to the victim in spite of port security")
	case !heard && a.protection == plain:
		t.Error("the attacker hears nothing even without port security: the test is no test")
	}
}

// overhears reports whether the attacker hears a mark in the answers to what the
// victim asks from an address.
func (a *arena) overhears(t *testing.T, w way, from netip.Addr, mark string, lie func(*wire.Link)) bool {
	t.Helper()
	ear := a.attacker.link(t)
	for range 20 {
		conn, err := dial(a.victim, w, from)
		if err != nil {
			continue
		}
		lie(ear)
		if err := conn.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(get(w, "/latest/user-data")))
		for range 20 { // while it is answered
			lie(ear)
		}
		heard := ear.Hear(300*time.Millisecond, func(frame []byte) bool { return strings.Contains(string(frame), mark) })
		_ = conn.Close()
		if heard {
			return true
		}
	}
	return false
}

func TestDivertAnswersToVictimByARP(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.hears(t, byIPv4, func(l *wire.Link) {
			_ = l.Send(wire.ARP{SrcMAC: l.MAC, DstMAC: a.bridge, Reply: true, SenderMAC: l.MAC,
				Sender: a.victim.inst.IPv4, Target: netip.MustParseAddr(lab.Gateway)}.Frame())
		})
		a.served(t)
	})
}

func TestDivertAnswersToVictimByNeighbourDiscovery(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, w := range []way{byIPv6, byLinkLocal} {
			a.hears(t, w, func(l *wire.Link) {
				p := wire.Packet{SrcMAC: l.MAC, DstMAC: a.bridge, Src: a.victim.addr(w), Dst: w.server()}
				_ = l.Send(p.Advertise(a.victim.addr(w), l.MAC, wire.Override|wire.Solicited))
			})
		}
		a.served(t)
	})
}

// Addresses that nobody has lead to nothing.
func TestClaimUnusedAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for addr, w := range map[string]way{"10.122.250.250": byIPv4, "fd00:122::feed": byIPv6, "fe80::feed": byLinkLocal} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			h.Announce(a.target(w))
			got, _ := h.Ask(a.target(w), everything(w))
			a.safe(t, addr, got)
			if w != byLinkLocal && strings.Contains(got, a.attacker.secret) {
				t.Errorf("%s: an address of no guest is served:\n%.300s", addr, got)
			}
		}
	})
}

// chosen gives the victim a link-local address that does not follow from its MAC,
// as RFC 7217 has it, and returns it with the lie that the attacker has it.
func (a *arena) chosen(t *testing.T) (netip.Addr, func(*wire.Link)) {
	t.Helper()
	addr := parse("fe80::1234:5678:9abc:def0")
	take(t, a.victim, addr)
	return addr, func(l *wire.Link) {
		p := wire.Packet{SrcMAC: l.MAC, DstMAC: a.bridge, Src: addr, Dst: byLinkLocal.server()}
		_ = l.Send(p.Advertise(addr, l.MAC, wire.Override|wire.Solicited))
	}
}

// Port security cannot tell whose such an address is: the server sees to it that
// its answers go where the connection came from.
func TestDivertAnswersToVictimAtChosenLinkLocalAddress(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		addr, lie := a.chosen(t)
		if a.overhears(t, byLinkLocal, addr, a.victim.secret, lie) {
			t.Error("the attacker hears the answers to the victim")
		}
		a.served(t)
	})
}

// The rest of a long answer is still on its way when the server is done with it.
func TestDivertTailOfLongAnswerToVictim(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		var tail strings.Builder
		for range 800 {
			tail.WriteString("# " + a.victim.secret + strings.Repeat("#", 1000) + "\n")
		}
		if _, err := a.WriteFile("userdata/"+a.victim.Label+".yaml", base+tail.String()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // the server looks at its files again
		addr, lie := a.chosen(t)
		ear := a.attacker.link(t)
		for range 5 {
			conn, err := dial(a.victim, byLinkLocal, addr)
			if err != nil {
				continue
			}
			if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte(get(byLinkLocal, "/latest/user-data")))
			buf := make([]byte, 20_000)
			for range 60 { // slowly
				lie(ear)
				if _, err := conn.Read(buf); err != nil {
					break
				}
				if ear.Hear(5*time.Millisecond, func(frame []byte) bool { return strings.Contains(string(frame), a.victim.secret) }) {
					t.Error("the attacker hears the end of the answer to the victim")
					_ = conn.Close()
					return
				}
			}
			_ = conn.Close()
		}
		a.served(t)
	})
}
