//go:build e2e

package attacks

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
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

// hears checks that the attacker hears the answers to the victim once the other
// hosts were told lies, so that the lie is known to be one; with port security it
// must not.
func (a *arena) hears(t *testing.T, w way, lie func(*wire.Link)) {
	t.Helper()
	heard := a.overhears(t, w, a.victim.addr(w), lie)
	switch {
	case heard && a.protection == secured:
		t.Error("the attacker hears the answers to the victim in spite of port security")
	case !heard && a.protection == plain:
		t.Error("the attacker hears nothing even without port security: the test is no test")
	}
}

// overhears reports whether the attacker hears what the victim is told at an
// address while it tells its lie.
func (a *arena) overhears(t *testing.T, w way, from netip.Addr, lie func(*wire.Link)) bool {
	t.Helper()
	ear := a.attacker.link(t)
	for i := range 4 {
		if a.diverts(t, ear, w, from, i%2 == 1, lie) {
			return true
		}
	}
	return false
}

// diverts has the victim ask on one connection. If the attacker is early, its lies
// begin as soon as the victim has connected, and else once the victim is served: the
// server refuses whose MAC moves about while it connects.
func (a *arena) diverts(t *testing.T, ear *wire.Link, w way, from netip.Addr, early bool, lie func(*wire.Link)) bool {
	t.Helper()
	conn := a.connects(t, w, from, !early)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(exchangeTime)); err != nil {
		t.Fatal(err)
	}
	stop := lies(ear, lie)
	defer stop()
	// What the victim sends leads its answers back to it, so one answer is diverted
	// only if a lie comes right before it. Of many, one is.
	many := strings.Repeat(request(w, "GET", "/latest/user-data"), 10)
	server := string(w.server().AsSlice()) // not what the victim is told elsewhere
	for range 5 {                          // for longer than the second that the kernel keeps to what ARP said first
		_, _ = io.WriteString(conn, many)
		if ear.Hear(300*time.Millisecond, func(frame []byte) bool {
			return strings.Contains(string(frame), server) && strings.Contains(string(frame), a.victim.secret)
		}) {
			return true
		}
	}
	return false
}

// connects connects the victim from one of its addresses, and has it served if that
// is asked for.
func (a *arena) connects(t *testing.T, w way, from netip.Addr, served bool) (conn net.Conn) {
	t.Helper()
	a.honest(t, "the victim connects by "+w.String(), w, from, func() (err error) {
		if !served {
			conn, err = dial(a.victim, w, from)
			return err
		}
		k, err := a.victim.connect(w, from)
		if err == nil {
			conn = k.conn
		}
		return err
	})
	return conn
}

// lies repeats a lie until stop is called.
func lies(l *wire.Link, lie func(*wire.Link)) (stop func()) {
	ctx, cancel := context.WithCancel(suite.ctx)
	var lying sync.WaitGroup
	lying.Go(func() {
		for ctx.Err() == nil {
			lie(l)
			time.Sleep(50 * time.Microsecond)
		}
	})
	return func() { cancel(); lying.Wait() }
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
		a.hears(t, byIPv6, a.hasAddress(byIPv6, a.victim.inst.IPv6))
		// The server itself keeps answers to link-local addresses from others.
		addr := a.victim.linkLocal()
		if a.overhears(t, byLinkLocal, addr, a.hasAddress(byLinkLocal, addr)) {
			t.Error("the attacker hears the answers to the victim's link-local address")
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

// hasAddress is the lie that the attacker has an address.
func (a *arena) hasAddress(w way, addr netip.Addr) func(*wire.Link) {
	return func(l *wire.Link) {
		p := wire.Packet{SrcMAC: l.MAC, DstMAC: a.bridge, Src: addr, Dst: w.server()}
		_ = l.Send(p.Advertise(addr, l.MAC, wire.Override|wire.Solicited))
	}
}

// chosen gives the victim a link-local address that does not follow from its MAC,
// as RFC 7217 has it, and returns it with the lie that the attacker has it.
func (a *arena) chosen(t *testing.T) (netip.Addr, func(*wire.Link)) {
	t.Helper()
	addr := parse("fe80::1234:5678:9abc:def0")
	take(t, a.victim, addr)
	return addr, a.hasAddress(byLinkLocal, addr)
}

// Port security cannot tell whose such an address is: the server sees to it that
// its answers go where the connection came from.
func TestDivertAnswersToVictimAtChosenLinkLocalAddress(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		addr, lie := a.chosen(t)
		if a.overhears(t, byLinkLocal, addr, lie) {
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
