//go:build e2e

package attacks

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

// controlMACs are some of the addresses of control frames, which a bridge takes out
// before any rule sees them: of spanning trees, link aggregation, port access
// (802.1X) and LLDP, and one without a use. What such a frame carries gets to the
// host as if it came by the port itself.
var controlMACs = func() (all []net.HardwareAddr) {
	for _, last := range []byte{0x00, 0x02, 0x03, 0x0e, 0x0f} {
		all = append(all, net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, last})
	}
	return all
}()

// believes checks what the host believes after some of the attacker's control frames:
// with port security nothing, without it the lie, at least once.
func (a *arena) believes(t *testing.T, what string, send func(l *wire.Link, to net.HardwareAddr), lie func() bool) {
	t.Helper()
	l := a.attacker.link(t)
	believed := a.tries(func(wait time.Duration) bool {
		for _, to := range controlMACs {
			send(l, to)
		}
		for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if lie() {
				return true
			}
		}
		return false
	})
	if believed == (a.protection == secured) {
		t.Errorf("%s: the host believes it: %v", what, believed)
	}
}

// hostShows is what a command shows on the host.
func (a *arena) hostShows(t *testing.T, command ...string) string {
	t.Helper()
	out, err := a.Host.Output(suite.ctx, command[0], command[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Made-up addresses fill the kernel's table of neighbours, which is one for all
// interfaces.
func TestFillNeighbourTableByControlFrames(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.believes(t, "neighbours that are none", func(l *wire.Link, to net.HardwareAddr) {
			for i := range byte(10) {
				sender := netip.AddrFrom4([4]byte{10, 122, 254, i})
				_ = l.Send(wire.ARP{SrcMAC: l.MAC, DstMAC: to, Sender: sender, Target: parse(lab.Gateway), SenderMAC: l.MAC}.Frame())
			}
		}, func() bool {
			return strings.Contains(a.hostShows(t, "ip", "neighbour", "show", "dev", a.attacker.Port()), "10.122.254.")
		})
		a.served(t)
	})
}

// The host would send its own traffic to the attacker.
func TestAdvertiseRouterToHostByControlFrames(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		port := a.attacker.Port()
		for _, setting := range []string{"accept_ra=2", "disable_ipv6=0"} { // whatever is the default here
			a.hostShows(t, "sysctl", "-w", "net.ipv6.conf."+port+"."+setting)
		}
		p := a.toAllNodes(a.attacker.linkLocal().String())
		a.believes(t, "a router behind a guest's port", func(l *wire.Link, to net.HardwareAddr) {
			p.DstMAC = to
			_ = l.Send(p.ICMP6(raType, a.advertisement("router")))
		}, func() bool {
			return strings.Contains(a.hostShows(t, "ip", "-6", "route", "show", "default", "dev", port), a.attacker.linkLocal().String())
		})
	})
}

func TestDivertAnswersToVictimByControlFrames(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			a.hears(t, w, func(l *wire.Link) {
				for _, to := range controlMACs {
					_ = l.Send(lab.Frame(a.victim.MAC, to.String(), 0x88cc, make([]byte, 46)))
				}
			})
		})
		a.served(t)
	})
}

// Each change of a spanning tree has the bridge forget where the guests are, and send
// what is for one of them to all.
func TestLeadSpanningTree(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		for _, setting := range []string{"forward_delay 200", "stp_state 1"} {
			a.hostShows(t, append([]string{"ip", "link", "set", lab.Bridge, "type", "bridge"}, strings.Fields(setting)...)...)
		}
		eventually(t, "the ports forward", func() error {
			if state := a.hostShows(t, "bridge", "link", "show", "dev", a.attacker.Port()); !strings.Contains(state, "state forwarding") {
				return fmt.Errorf("%s", state)
			}
			return nil
		})
		a.believes(t, "a bridge that leads", func(l *wire.Link, to net.HardwareAddr) {
			_ = l.Send(superior(l.MAC, to))
		}, func() bool {
			return !strings.Contains(a.hostShows(t, "ip", "-d", "link", "show", lab.Bridge), "root_port 0 ")
		})
		a.served(t)
	})
}

// superior is a spanning tree's message that its sender is the root: IEEE 802.1D, 9.3.1.
func superior(from, to net.HardwareAddr) []byte {
	const seconds = 256
	id := append([]byte{0, 0}, from...) // the best priority
	message := append([]byte{0x42, 0x42, 3, 0, 0, 0, 0, 0}, id...)
	message = append(message, 0, 0, 0, 0)
	message = append(append(message, id...), 0x80, 1)
	for _, timer := range []uint16{0, 20 * seconds, 2 * seconds, 15 * seconds} {
		message = binary.BigEndian.AppendUint16(message, timer)
	}
	return lab.Frame(from.String(), to.String(), uint16(len(message)), append(message, make([]byte, 8)...))
}
