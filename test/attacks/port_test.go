//go:build e2e

package attacks

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

// claims asks in the name of a guest from a port that is not the guest's, by its
// MAC and by the port's own.
func (a *arena) claims(t *testing.T, from *guest) {
	t.Helper()
	for _, w := range ways {
		for _, cloned := range []bool{true, false} {
			l := from.link(t)
			h := &wire.Host{Link: l, MAC: l.MAC, Addr: a.victim.addr(w)}
			if cloned {
				h.MAC = a.victim.mac
			} else {
				h.Said = a.victim.mac
			}
			h.Announce(a.target(w))
			got, _ := h.Ask(a.target(w), everything(w))
			a.safe(t, "from "+h.Addr.String(), got)
		}
	}
}

// defined makes the victim one that libvirt knows no tap of, as of a guest that
// was never started.
func (a *arena) defined(t *testing.T, port string) {
	t.Helper()
	v := a.victim
	if err := v.register(domain{name: v.inst.Name, uuid: v.inst.UUID.String(), mac: v.MAC, port: port, metadata: "<m:secret>" + v.secret + "</m:secret>"}); err != nil {
		t.Fatal(err)
	}
}

func TestCloneMACOfGuestThatWasNeverStarted(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.victim.off(t)
		a.defined(t, "")
		a.claims(t, a.attacker)
	})
}

// The kernel gives the name of a tap again: the victim's record may name what is
// the attacker's by now.
func TestCloneMACOfGuestWhoseTapWasTakenOver(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.victim.off(t)
		g, tap := a.attacker, a.attacker.Port()
		started := func(port string) {
			t.Helper()
			if err := g.register(domain{name: g.inst.Name, uuid: g.inst.UUID.String(), mac: g.MAC, port: port}); err != nil {
				t.Fatal(err)
			}
		}
		started("") // as before its start
		a.defined(t, tap)
		started(tap)
		a.claims(t, a.attacker)
	})
}

// A guest that mdserver knows nothing of, on the same bridge.
func TestUnknownGuestClaimsAddressOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		stranger := a.stranger(t)
		for _, w := range ways {
			take(t, stranger, a.victim.addr(w))
			got, _ := askFrom(stranger, w, a.victim.addr(w), everything(w))
			a.safe(t, "from a stranger", got)
		}
		a.claims(t, stranger)
		a.victim.off(t)
		a.claims(t, stranger)
		a.victim.on(t)
		a.served(t)
	})
}

// stranger is a guest on the bridge that was never registered.
func (a *arena) stranger(t *testing.T) *guest {
	t.Helper()
	mac := a.newMAC()
	l, err := a.AddGuest(suite.ctx, "stranger-"+mac[len(mac)-2:], mac)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{Guest: l, site: a.site}
	t.Cleanup(func() {
		if err := l.Remove(suite.ctx); err != nil {
			t.Error(err)
		}
	})
	link := g.link(t)
	g.mac, g.index = link.MAC, link.Index
	for _, step := range [][]string{
		{"address", "add", "10.122.251.251/16", "dev", "eth0"}, {"route", "replace", "default", "via", lab.Gateway},
		{"-6", "address", "add", "fd00:122::fafa/64", "dev", "eth0", "nodad"}, {"-6", "route", "replace", "default", "via", lab.Gateway6, "dev", "eth0"},
	} {
		if err := g.IP(suite.ctx, step...); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// With many half-open connections the kernel answers by cookies and keeps no
// SYN, so that nothing tells where it came from.
func TestClaimAddressUnderSYNCookies(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		if err := a.attacker.IP(suite.ctx, "address", "flush", "dev", "eth0"); err != nil { // so that its kernel resets nothing
			t.Fatal(err)
		}
		flood := func() {
			l := a.attacker.link(t)
			for _, w := range ways {
				p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.bridge, Src: a.attacker.addr(w), Dst: w.server()}
				for port := range 6000 {
					_ = l.Send(p.TCP(layers.TCP{SrcPort: layers.TCPPort(20000 + port), DstPort: 80, Seq: rand.Uint32(), SYN: true, Window: 1000}, nil))
				}
			}
		}
		flood()
		switch n := a.cookies(t); {
		case n == 0 && a.protection == plain:
			t.Error("the kernel sends no cookies even without port security: the test is no test")
		case n > 0 && a.protection == secured:
			t.Errorf("the kernel sends %d cookies: one port fills its queue", n)
		}
		a.served(t)
		flood()
		a.claims(t, a.attacker)
		for _, w := range ways {
			a.flipsTheNeighbour(t, w)
		}
		a.victim.off(t)
		flood()
		a.claims(t, a.attacker)
		for _, w := range ways {
			a.flipsTheNeighbour(t, w)
		}
		a.victim.on(t)
		a.served(t)
	})
}

// cookies is how many SYN cookies the host has sent.
func (a *arena) cookies(t *testing.T) (sent int) {
	t.Helper()
	out, err := a.Host.Output(suite.ctx, "awk", "/^TcpExt:/ { if (n++) print $2; }", "/proc/net/netstat")
	if err != nil {
		t.Fatal(err)
	}
	for _, digit := range out {
		if digit >= '0' && digit <= '9' {
			sent = sent*10 + int(digit-'0')
		}
	}
	return sent
}

// A guest of one network asks with the address of one of another network.
func TestClaimAddressOfOtherNetwork(t *testing.T) {
	alone(t, func(l *lab.Lab, c lab.Config) {
		c.Set("network lan", "interface", "br-lan").Set("network lan", "net_address", "10.50.0.0").Set("network lan", "run", "off").Set("network lan", "own_address", "no")
		_ = l.AddBridge(suite.ctx, "br-lan", "10.50.0.1/24")
	}, func(t *testing.T, a *arena) {
		mac := a.newMAC()
		l, err := a.AddGuestOn(suite.ctx, "br-lan", "lan", mac)
		if err != nil {
			t.Fatal(err)
		}
		thief := &guest{Guest: l, site: a.site, mac: mustMAC(t, mac)}
		a.claims(t, thief)
		for _, step := range [][]string{{"address", "add", a.victim.inst.IPv4.String() + "/32", "dev", "eth0"}, {"address", "add", "10.50.0.77/24", "dev", "eth0"}, {"route", "replace", "default", "via", "10.50.0.1"}} {
			if err := thief.IP(suite.ctx, step...); err != nil {
				t.Fatal(err)
			}
		}
		for _, from := range []netip.Addr{a.victim.inst.IPv4, parse("10.50.0.77")} {
			got, _ := askFrom(thief, byIPv4, from, everything(byIPv4))
			a.safe(t, "by another bridge from "+from.String(), got)
		}
		a.served(t)
	})
}

// Many requests on one connection, while the address changes hands between them.
func TestFlipOwnerBetweenRequests(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, w := range ways {
			k := a.attacker.keep(t, w)
			h := &wire.Host{Link: a.attacker.link(t), MAC: a.victim.mac, Addr: a.attacker.addr(w)}
			for range 5 {
				h.Announce(a.target(w)) // its own address with the victim's MAC
				a.safe(t, "a kept connection by "+w.String(), k.ask())
				time.Sleep(10 * time.Millisecond)
			}
		}
		a.served(t)
	})
}
