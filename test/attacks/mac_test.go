//go:build e2e

package attacks

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"mdserver/test/wire"
)

// clone asks by frames that are the victim's in all but the port of the bridge.
func (a *arena) clone(t *testing.T, w way, edit func(*wire.Host)) {
	t.Helper()
	a.impostor(t, w, func(h *wire.Host) {
		h.MAC = a.victim.mac
		edit(h)
	})
}

func asIs(*wire.Host) {}

func TestCloneMACOfVictimThatIsOff(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.victim.off(t)
		byEach(t, func(t *testing.T, w way) { a.clone(t, w, asIs) })
		a.victim.on(t)
		a.served(t)
	})
}

func TestCloneMACOfVictimThatRuns(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) { a.clone(t, w, asIs) })
		a.served(t)
	})
}

// The kernel of the attacker has the victim's MAC, as after
// "ip link set eth0 address".
func TestTakeMACAndAddressOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.victim.off(t)
		for _, step := range [][]string{{"down"}, {"address", a.victim.MAC}, {"up"}} {
			if err := a.attacker.IP(suite.ctx, append([]string{"link", "set", "eth0"}, step...)...); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range []way{byIPv4, byIPv6} {
			take(t, a.attacker, a.victim.addr(w))
			a.asks(t, w, a.victim.addr(w))
		}
		eventually(t, "the attacker has the victim's link-local address", func() error {
			_, err := dial(a.attacker, byLinkLocal, a.victim.linkLocal())
			if err != nil && (a.protection == secured || !strings.Contains(err.Error(), "assign")) {
				return nil // it has it, and is repelled
			}
			return err
		})
		a.asks(t, byLinkLocal, a.victim.linkLocal())
		a.victim.on(t)
	})
}

// The victim's MAC with the attacker's own addresses.
func TestCloneMACWithOwnAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, on := range []bool{true, false} {
			if !on {
				a.victim.off(t)
			}
			byEach(t, func(t *testing.T, w way) {
				a.clone(t, w, func(h *wire.Host) { h.Addr = a.attacker.addr(w) })
			})
		}
		a.victim.on(t)
		a.served(t)
	})
}

// A guest by link-local address is known by its MAC, whichever address it is.
func TestCloneMACWithNewLinkLocalAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, addr := range []string{"fe80::1:2:3", "fe80::1", "fe80::ffff:ffff:ffff:ffff"} {
			a.clone(t, byLinkLocal, func(h *wire.Host) { h.Addr = parse(addr) })
		}
		a.victim.off(t)
		a.clone(t, byLinkLocal, func(h *wire.Host) { h.Addr = parse("fe80::1:2:4") })
		a.victim.on(t)
		a.served(t)
	})
}

func TestSYNFromVictimsMACThenOwn(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, on := range []bool{true, false} {
			if !on {
				a.victim.off(t)
			}
			byEach(t, func(t *testing.T, w way) {
				a.impostor(t, w, func(h *wire.Host) { h.SYN = a.victim.mac })
			})
		}
		a.victim.on(t)
		a.served(t)
	})
}

func TestSYNFromOwnMACThenVictims(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, on := range []bool{true, false} {
			if !on {
				a.victim.off(t)
			}
			byEach(t, func(t *testing.T, w way) {
				a.clone(t, w, func(h *wire.Host) { h.SYN, h.Said = a.attacker.mac, a.attacker.mac })
			})
		}
		a.victim.on(t)
		a.served(t)
	})
}

// Frames with the victim's MAC lead the bridge to believe that the victim is at
// the attacker's port, and then those with its own MAC ask.
func TestPoisonForwardingTableThenAsk(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			a.impostor(t, w, func(h *wire.Host) {
				h.Before = func() { _ = h.Link.Send(claim(a.victim.mac)) }
			})
		})
		a.served(t)
	})
}

// claim is a frame that does nothing but tell the bridge where a MAC is.
func claim(mac net.HardwareAddr) []byte {
	return wire.Packet{SrcMAC: mac, DstMAC: net.HardwareAddr{0x02, 0, 0, 0, 0, 9}, Src: parse("192.0.2.1"), Dst: parse("192.0.2.2")}.UDP(9, 9, nil)
}

func TestDivertAnswersToVictimByForwardingTable(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			a.hears(t, w, func(l *wire.Link) { _ = l.Send(claim(a.victim.mac)) })
		})
		a.served(t)
	})
}

// A request in the victim's name while the victim's own answers to a ping keep
// moving its MAC back to its own port.
func TestCloneMACWhileVictimAnswersPings(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, w := range []way{byIPv4, byIPv6} {
			a.clone(t, w, func(h *wire.Host) {
				ping := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.victim.mac, Src: a.attacker.addr(w), Dst: a.victim.addr(w)}
				frame := ping.ICMP4(layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), 1, 1, nil)
				if w == byIPv6 {
					frame = ping.ICMP6(layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0), &layers.ICMPv6Echo{Identifier: 1})
				}
				h.Before = func() {
					time.AfterFunc(100*time.Microsecond, func() { _ = h.Link.Send(frame) })
				}
			})
		}
		a.served(t)
	})
}

func TestSourceMACOfBridge(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			h := a.attacker.host(t, w)
			h.MAC, h.Addr = a.bridge, w.server()
			a.asksLocally(t, h, w)
			h.Addr = a.victim.addr(w)
			a.asksLocally(t, h, w)
		})
		a.served(t)
	})
}

func TestSourceMACThatIsNone(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, mac := range []string{"00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01", "01:80:c2:00:00:00"} {
			hw := mustMAC(t, mac)
			byEach(t, func(t *testing.T, w way) {
				a.impostor(t, w, func(h *wire.Host) { h.MAC, h.Said = hw, a.attacker.mac })
			})
		}
		a.served(t)
	})
}

// Half-open connections in the victim's name.
func TestHalfOpenConnectionsInVictimsName(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			l := a.attacker.link(t)
			p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.bridge, Src: a.victim.addr(w), Dst: w.server()}
			for port := range 2000 {
				_ = l.Send(p.TCP(layers.TCP{SrcPort: layers.TCPPort(10000 + port), DstPort: 80, Seq: rand.Uint32(), SYN: true, Window: 1000}, nil))
			}
		})
		a.served(t)
	})
}

// Segments in the victim's name, for a connection that the attacker does not
// see.
func TestBlindSegmentsIntoVictimsConnection(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			conn, err := dial(a.victim, w, a.victim.addr(w))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			port := conn.LocalAddr().(*net.TCPAddr).Port
			l := a.attacker.link(t)
			p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.bridge, Src: a.victim.addr(w), Dst: w.server()}
			for range 500 {
				for _, s := range []layers.TCP{{RST: true}, {SYN: true}, {FIN: true, ACK: true}, {ACK: true, PSH: true}} {
					s.SrcPort, s.DstPort, s.Seq, s.Ack, s.Window = layers.TCPPort(port), 80, rand.Uint32(), rand.Uint32(), 1000
					_ = l.Send(p.TCP(s, []byte(get(w, "/latest/user-data"))))
				}
			}
			got, err := exchange(conn, get(w, "/latest/user-data"))
			if !strings.Contains(got, a.victim.secret) {
				t.Errorf("the victim's connection: %v %.200q", err, got)
			}
		})
	})
}

func TestFloodForwardingTableWithMadeUpMACs(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		for range 5000 {
			mac := net.HardwareAddr{0x02, 0xaa, byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32())}
			_ = l.Send(claim(mac))
		}
		a.served(t)
		out, err := a.Host.Output(suite.ctx, "bridge", "fdb", "show", "brport", a.attacker.Port())
		if err != nil {
			t.Fatal(err)
		}
		learned := strings.Count(out, "02:aa:")
		if learned > 0 && a.protection == secured {
			t.Errorf("the bridge learned %d MACs that no guest has", learned)
		}
		if learned == 0 && a.protection == plain {
			t.Error("the bridge learned nothing even without port security: the test is no test")
		}
	})
}

// tagged runs an attack with VLAN tags that a kernel may take off after a
// filter has looked.
func (a *arena) tagged(t *testing.T, tags ...wire.Tag) {
	t.Helper()
	for _, on := range []bool{true, false} {
		if !on {
			a.victim.off(t)
		}
		byEach(t, func(t *testing.T, w way) {
			a.impostor(t, w, func(h *wire.Host) { h.Tags = tags })
			a.clone(t, w, func(h *wire.Host) { h.Tags = tags })
		})
	}
	a.victim.on(t)
	a.served(t)
}

func TestPriorityTagHidesClaim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) { a.tagged(t, wire.Tag{}) })
}

func TestVLANTagHidesClaim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.tagged(t, wire.Tag{VLAN: 1})
		a.tagged(t, wire.Tag{VLAN: 77})
	})
}

func TestServiceTagHidesClaim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.tagged(t, wire.Tag{Outer: true})
		a.tagged(t, wire.Tag{Outer: true, VLAN: 1})
	})
}

func TestTwoTagsHideClaim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.tagged(t, wire.Tag{Outer: true}, wire.Tag{})
		a.tagged(t, wire.Tag{}, wire.Tag{})
	})
}

// TestTaggedFramesOfTheRightfulGuest is the control of tests with tags: a kernel
// takes them off.
func TestTaggedFramesOfTheRightfulGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		if a.protection == secured {
			return // whether tags pass there does not matter
		}
		h := a.victim.host(t, byIPv4)
		if err := a.victim.IP(suite.ctx, "address", "flush", "dev", "eth0"); err != nil {
			t.Fatal(err)
		}
		for _, tags := range [][]wire.Tag{{{}}, {{Outer: true}}, {{}, {}}} {
			h.Tags = tags
			eventually(t, fmt.Sprintf("an answer with tags %v", tags), func() error {
				got, err := h.Ask(a.target(byIPv4), everything(byIPv4))
				if err == nil && !strings.Contains(got, a.victim.secret) {
					err = fmt.Errorf("it is %.120q", got)
				}
				return err
			})
		}
		a.victim.on(t)
	})
}
