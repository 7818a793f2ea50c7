//go:build e2e

package attacks

import (
	"context"
	"net"
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
			got, err := h.Ask(a.target(w), everything(w))
			if n := strings.Count(got, a.victim.secret); n < len(secretPaths) {
				t.Errorf("the secret is in %d of %d answers (%v):\n%.800s", n, len(secretPaths), err, got)
			}
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
	ear := a.attacker.link(t)
	heard := false
	for range 20 {
		conn, err := dial(a.victim, w, a.victim.addr(w))
		if err != nil {
			continue
		}
		lie(ear)
		if err := conn.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(get(w, "/latest/user-data")))
		heard = ear.Hear(300*time.Millisecond, func(frame []byte) bool {
			return strings.Contains(string(frame), a.victim.secret)
		})
		_ = conn.Close()
		if heard {
			break
		}
	}
	switch {
	case heard && a.protection == secured:
		t.Error("the attacker hears the answers to the victim in spite of port security")
	case !heard && a.protection == plain:
		t.Error("the attacker hears nothing even without port security: the test is no test")
	}
}

func TestDivertAnswersToVictimByARP(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.hears(t, byIPv4, func(l *wire.Link) {
			for range 3 {
				_ = l.Send(wire.ARP{SrcMAC: l.MAC, DstMAC: a.bridge, Reply: true, SenderMAC: l.MAC,
					Sender: a.victim.inst.IPv4, Target: netip.MustParseAddr(lab.Gateway)}.Frame())
			}
		})
		a.served(t)
	})
}

func TestDivertAnswersToVictimByNeighbourDiscovery(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, w := range []way{byIPv6, byLinkLocal} {
			a.hears(t, w, func(l *wire.Link) {
				p := wire.Packet{SrcMAC: l.MAC, DstMAC: a.bridge, Src: a.victim.addr(w), Dst: w.server()}
				for range 3 {
					_ = l.Send(p.Advertise(a.victim.addr(w), l.MAC, wire.Override|wire.Solicited))
				}
			})
		}
		a.served(t)
	})
}

// asksAsHost asks what only the host itself may, from the attacker's own MAC and
// from one that no guest has.
func (a *arena) asksAsHost(t *testing.T, h *wire.Host, w way) {
	t.Helper()
	for _, mac := range []net.HardwareAddr{h.MAC, {0x02, 0xde, 0xad, 0xbe, 0xef, 1}} {
		as := *h
		as.MAC = mac
		a.asksLocally(t, &as, w)
	}
}

func (a *arena) asksLocally(t *testing.T, h *wire.Host, w way) {
	t.Helper()
	upload := domain{name: "stolen", mac: a.attacker.MAC, port: a.attacker.Port()}.XML()
	h.Announce(a.target(w))
	got, _ := h.Ask(a.target(w), request(w, "GET", "/service/configuration")+
		request(w, "POST", "/instance-upload", contentLength(upload))+upload+everything(w))
	a.safe(t, "from "+h.Addr.String(), got)
	if strings.Contains(got, "HTTP/1.1 200") && strings.Contains(got, "userdata_dir") {
		t.Errorf("from %s: the attacker reads the configuration:\n%.120q", h.Addr, got)
	}
	if guest, err := a.admin.Instance(suite.ctx, "stolen"); err == nil {
		t.Errorf("from %s: the attacker registers a guest: %+v", h.Addr, guest)
		_, _ = a.admin.Release(suite.ctx, "stolen")
	}
}

// Every tap has a link-local address of the host's, which follows from the
// guest's own MAC.
func TestClaimLinkLocalAddressOfTap(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		tap := hostLinkLocal(t, a.site, a.attacker.Port())
		h := a.attacker.host(t, byLinkLocal)
		h.Addr = tap
		a.asksAsHost(t, h, byLinkLocal)
		take(t, a.attacker, tap)
		got, _ := askFrom(a.attacker, byLinkLocal, tap, get(byLinkLocal, "/service/configuration"))
		if status(got) == 200 {
			t.Errorf("the attacker reads the configuration:\n%.600s", got)
		}
		a.served(t)
	})
}

func TestClaimLinkLocalAddressOfOtherInterface(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		h := a.attacker.host(t, byLinkLocal)
		h.Addr = hostLinkLocal(t, a.site, a.uplink(t))
		a.asksAsHost(t, h, byLinkLocal)
	})
}

func TestClaimGlobalAddressOfOtherInterface(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.uplink(t)
		for addr, w := range map[string]way{"198.51.100.1": byIPv4, "2001:db8::1": byIPv6} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			a.asksAsHost(t, h, w)
		}
	})
}

// uplink gives the host an interface beside the bridge, for all tests on it.
func (a *arena) uplink(t *testing.T) string {
	t.Helper()
	const name = "uplink"
	a.uplinkOnce.Do(func() {
		if err := a.AddBridge(suite.ctx, name, "198.51.100.1/24", "2001:db8::1/64"); err != nil {
			t.Error(err)
		}
	})
	return name
}

func hostLinkLocal(t *testing.T, s *site, dev string) netip.Addr {
	t.Helper()
	var addr netip.Addr
	eventually(t, "the link-local address of "+dev, func() error {
		out, err := s.Host.Output(suite.ctx, "ip", "-6", "-brief", "address", "show", "dev", dev, "scope", "link")
		if err != nil {
			return err
		}
		fields := strings.Fields(out)
		prefix, err := netip.ParsePrefix(fields[len(fields)-1])
		addr = prefix.Addr()
		return err
	})
	return addr
}

func TestClaimAddressOfServer(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for addr, w := range map[string]way{
			lab.MetadataAddr: byIPv4, lab.Gateway: byIPv4,
			lab.MetadataAddr6: byIPv6, lab.Gateway6: byIPv6, lab.MetadataLinkLocal: byLinkLocal,
		} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			a.asksAsHost(t, h, w)
		}
		a.served(t)
	})
}

func TestClaimLoopbackAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for addr, w := range map[string]way{"127.0.0.1": byIPv4, "127.1.2.3": byIPv4, "::1": byIPv6} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			a.asksAsHost(t, h, w)
		}
	})
}

// The victim's IPv4 address, written as an IPv6 one.
func TestClaimIPv4MappedAddressOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, addr := range []netip.Addr{a.victim.inst.IPv4, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(lab.Gateway)} {
			for _, prefix := range []string{"::ffff:", "::", "64:ff9b::"} {
				h := a.attacker.host(t, byIPv6)
				h.Addr = netip.MustParseAddr(prefix + addr.String())
				a.asksAsHost(t, h, byIPv6)
			}
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

// What a guest sends from the address that the kernel could take for the
// victim's by a broadcast or an unspecified one.
func TestClaimAddressThatIsNone(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for addr, w := range map[string]way{"0.0.0.0": byIPv4, "255.255.255.255": byIPv4, "10.122.255.255": byIPv4, "224.0.0.1": byIPv4, "::": byIPv6, "ff02::1": byIPv6} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			a.asksAsHost(t, h, w)
		}
	})
}
