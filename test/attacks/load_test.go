//go:build e2e

package attacks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

// holder holds connections open until the test ends.
type holder struct {
	mu   sync.Mutex
	held []net.Conn
}

// hold opens connections from an address and sends on each what comes first.
func (h *holder) hold(g *guest, w way, from netip.Addr, n int, first string) {
	for range n {
		conn, err := dial(g, w, from)
		if err != nil {
			continue
		}
		_, _ = io.WriteString(conn, first)
		h.mu.Lock()
		h.held = append(h.held, conn)
		h.mu.Unlock()
	}
}

func newHolder(t *testing.T) *holder {
	h := &holder{}
	t.Cleanup(func() {
		for _, conn := range h.held {
			_ = conn.Close()
		}
	})
	return h
}

// prompt checks that the victim is served soon, by each way.
func (a *arena) prompt(t *testing.T, what string) {
	t.Helper()
	for range 5 {
		for _, w := range ways {
			began := time.Now()
			if err := a.victim.reads(w); err != nil {
				t.Errorf("%s: the victim by %s: %v", what, w, err)
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("%s: the victim waits by %s for %s", what, w, took)
			}
		}
	}
}

// few makes limits small, so that few connections reach them.
func few(_ *lab.Lab, c lab.Config) {
	c.Set("mdserver", "guest_connections", "10").Set("mdserver", "max_connections", "200")
}

func TestHoldConnectionsWithHalfAHeader(t *testing.T) {
	alone(t, few, func(t *testing.T, a *arena) {
		h := newHolder(t)
		for _, w := range ways {
			h.hold(a.attacker, w, a.attacker.addr(w), 60, "GET /latest/user-data HTTP/1.1\r\nX-Slow: ")
		}
		a.prompt(t, "held by half a header")
	})
}

func TestHoldConnectionsWithHalfABody(t *testing.T) {
	alone(t, few, func(t *testing.T, a *arena) {
		h := newHolder(t)
		for _, w := range ways {
			h.hold(a.attacker, w, a.attacker.addr(w), 60, request(w, "POST", "/openstack/latest/password", "Content-Length: 1000")+"x")
		}
		a.prompt(t, "held by half a body")
	})
}

func TestHoldConnectionsWithNothing(t *testing.T) {
	alone(t, few, func(t *testing.T, a *arena) {
		h := newHolder(t)
		for _, w := range ways {
			h.hold(a.attacker, w, a.attacker.addr(w), 60, "")
			h.hold(a.attacker, w, a.attacker.addr(w), 20, request(w, "GET", "/"))
		}
		a.prompt(t, "held by nothing")
	})
}

// Many addresses are one guest still.
func TestHoldConnectionsFromManyAddresses(t *testing.T) {
	alone(t, few, func(t *testing.T, a *arena) {
		h := newHolder(t)
		var opening sync.WaitGroup
		for i := range 40 {
			for w, addr := range map[way]netip.Addr{
				byIPv4: netip.AddrFrom4([4]byte{10, 122, 240, byte(i + 1)}), byIPv6: parse(fmt.Sprintf("fd00:122::f:%x", i+1)), byLinkLocal: parse(fmt.Sprintf("fe80::f:%x", i+1)),
			} {
				take(t, a.attacker, addr)
				if i%8 == 0 || a.protection == plain {
					opening.Go(func() { h.hold(a.attacker, w, addr, 8, "GET ") })
				}
			}
		}
		opening.Wait()
		a.prompt(t, "held from many addresses")
	})
}

// Connections in the victim's name are not on the victim's account.
func TestHoldConnectionsInVictimsName(t *testing.T) {
	alone(t, few, func(t *testing.T, a *arena) {
		for _, w := range ways {
			l := a.attacker.link(t)
			h := &wire.Host{Link: l, MAC: l.MAC, Addr: a.victim.addr(w)}
			h.Announce(a.target(w))
			for range 6 {
				_, _ = h.Ask(a.target(w), "GET /latest/user-data HTTP/1.1\r\nX-Slow: ") // is left open
				if a.protection == secured {
					break // nothing gets through, and each waits
				}
			}
		}
		a.served(t)
		a.prompt(t, "held in its name")
	})
}

func TestFloodRequests(t *testing.T) {
	alone(t, func(_ *lab.Lab, c lab.Config) { c.Set("mdserver", "request_rate", "50") }, func(t *testing.T, a *arena) {
		ctx, stop := context.WithCancel(suite.ctx)
		var flood sync.WaitGroup
		for range 4 {
			flood.Go(func() {
				for ctx.Err() == nil {
					_, _ = ask(a.attacker, byIPv4, strings.Repeat(request(byIPv4, "GET", "/latest/user-data"), 50)+get(byIPv4, "/"))
				}
			})
		}
		a.prompt(t, "during a flood of requests")
		stop()
		flood.Wait()
	})
}

// Answers that the attacker does not take stay with the kernel.
func TestReadAnswersNever(t *testing.T) {
	alone(t, few, func(t *testing.T, a *arena) {
		big := a.guest(t, form{template: "#!/bin/sh\n" + strings.Repeat("#", 500_000)})
		h := newHolder(t)
		for _, w := range ways {
			h.hold(big, w, big.addr(w), 40, strings.Repeat(request(w, "GET", "/latest/user-data"), 100))
		}
		a.prompt(t, "while answers are not read")
		if mib := a.memory(t); mib > 300 {
			t.Errorf("the server has used %d MiB", mib)
		}
	})
}

// Without port security this fills the kernel's queue, and nobody is served until
// the kernel has forgotten what is half open.
func TestFloodSYNsFromMadeUpAddresses(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		for range 5000 {
			for _, w := range []way{byIPv4, byIPv6} {
				p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.bridge, Src: a.madeUpAddr(w), Dst: w.server()}
				_ = l.Send(p.TCP(layers.TCP{SrcPort: layers.TCPPort(rand.IntN(60000) + 1000), DstPort: 80, Seq: rand.Uint32(), SYN: true, Window: 1000}, nil))
			}
		}
		if a.protection == plain {
			a.served(t)
		}
		a.prompt(t, "after a flood of SYNs")
	})
}

// madeUpAddr is an address that no guest has. Without port security it is one of a
// few: the kernel looks for the neighbour, and all namespaces of a machine share the
// room for those, so that more of them would shut out other tests.
func (a *arena) madeUpAddr(w way) netip.Addr {
	n := rand.Uint64()
	if a.protection == plain {
		n %= 100
	}
	if w == byIPv4 {
		return netip.AddrFrom4([4]byte{10, 122, 0x80 | byte(n>>8), byte(n)})
	}
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64([]byte{0xfd, 0, 1, 0x22, 0, 0, 0, 0}, 1<<63|n)))
}

// Without port security the kernel answers by cookies meanwhile, and keeps no
// SYN: nobody is served then, and nobody is taken for another.
func TestFloodSYNsAllTheTime(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		a.floodsSYNs(t, func(w way, syn layers.TCP) [][]byte {
			p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.bridge, Src: a.attacker.addr(w), Dst: w.server()}
			return [][]byte{p.TCP(syn, nil)}
		})
	})
}

// Each SYN is in two fragments, and its flags are in the second.
func TestFloodSYNsInFragments(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		a.floodsSYNs(t, func(w way, syn layers.TCP) [][]byte {
			p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.bridge, Src: a.attacker.addr(w), Dst: w.server()}
			whole := p.TCP(syn, nil)
			if w != byIPv4 {
				segment := whole[14+40:]
				return [][]byte{fragment(whole[:14+40], layers.IPProtocolTCP, 0, true, segment[:8]), fragment(whole[:14+40], layers.IPProtocolTCP, 8, false, segment[8:20])}
			}
			segment := whole[14+20 : 14+40]
			part := func(payload []byte, offset uint16, more bool) []byte {
				packet := lab.IPv4(p.Src.String(), p.Dst.String(), layers.IPProtocolTCP, payload)
				return lab.Frame(p.SrcMAC.String(), p.DstMAC.String(), lab.EtherIPv4, lab.Fragment4(packet, offset, more))
			}
			return [][]byte{part(segment[:8], 0, true), part(segment[8:], 8, false)}
		})
	})
}

// floodsSYNs floods the server with SYNs, each in one frame or several, and looks
// what becomes of the victim.
func (a *arena) floodsSYNs(t *testing.T, frames func(way, layers.TCP) [][]byte) {
	t.Helper()
	if err := a.attacker.IP(suite.ctx, "address", "flush", "dev", "eth0"); err != nil { // so that its kernel resets nothing
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(suite.ctx)
	var flood sync.WaitGroup
	var sent atomic.Int64
	flood.Go(func() {
		l, err := wire.Open(a.attacker.Namespace, "eth0")
		if err != nil {
			t.Error(err)
			return
		}
		defer l.Close()
		for ctx.Err() == nil {
			for _, w := range ways {
				for range 50 {
					sent.Add(1)
					syn := layers.TCP{SrcPort: layers.TCPPort(rand.IntN(60000) + 1000), DstPort: 80, Seq: rand.Uint32(), SYN: true, Window: 1000}
					for _, frame := range frames(w, syn) {
						_ = l.Send(frame)
					}
				}
			}
			time.Sleep(10 * time.Millisecond) // some 10,000 a second
		}
	})
	if a.protection == secured {
		eventually(t, "the flood is on", func() error {
			if n := sent.Load(); n < 20_000 {
				return fmt.Errorf("%d were sent", n)
			}
			return nil
		})
		a.prompt(t, "during a flood of SYNs")
		if n := a.cookies(t); n > 0 {
			t.Errorf("the kernel sent %d cookies", n)
		}
	} else {
		eventually(t, "the kernel sends cookies", func() error {
			if a.cookies(t) == 0 {
				return errors.New("it sends none")
			}
			return nil
		})
		a.claims(t, a.attacker)
	}
	stop()
	flood.Wait()
	a.served(t)
}

// Requests that are refused cost the log little.
func TestFloodLogByRefusals(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		addr := parse("fd00:122::f:1")
		take(t, a.attacker, addr)
		a.floods(t, 3000, func(int) { _, _ = askFrom(a.attacker, byIPv6, addr, get(byIPv6, "/latest/user-data")) }, 400_000)
	})
}

// floods repeats what must not make the log grow by more than this, and leaves
// a port that is shut alone soon.
func (a *arena) floods(t *testing.T, n int, f func(int), most int64) {
	t.Helper()
	before := a.logged(t)
	end := time.Now().Add(10 * time.Second)
	for i := range n {
		if f(i); time.Now().After(end) {
			break
		}
	}
	time.Sleep(200 * time.Millisecond) // lines gather
	if grown := a.logged(t) - before; grown > most {
		t.Errorf("the logs grew by %d bytes, at most %d were to be", grown, most)
	}
	a.served(t)
}

func TestFloodLogByLongMethods(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		method := strings.Repeat("M", 16_000)
		a.floods(t, 500, func(int) { _, _ = ask(a.attacker, byIPv4, request(byIPv4, method, "/", "Connection: close")) }, 600_000)
	})
}

func TestFloodLogByControlCharactersInPaths(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		path := "/" + strings.Repeat("%1b%9b%0a%e2%80%ae", 1000)
		a.floods(t, 500, func(int) { _, _ = ask(a.attacker, byIPv4, get(byIPv4, path)) }, 600_000)
	})
}

func TestFloodLogByRequests(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		a.floods(t, 200, func(int) {
			_, _ = ask(a.attacker, byIPv4, strings.Repeat(request(byIPv4, "GET", "/latest/nothing"), 50)+get(byIPv4, "/"))
		}, 1_000_000)
	})
}

// A guest chooses link-local addresses, and each takes an entry in the kernel's table of
// neighbours. All namespaces of a machine share that table, so this does not fill it.
func TestFillNeighbourTableByLinkLocalAddresses(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		const tries = 100
		l := a.attacker.link(t)
		for i := range tries {
			p := wire.Packet{SrcMAC: l.MAC, DstMAC: a.bridge, Src: parse(fmt.Sprintf("fe80::%x%02x:%x", l.MAC[4], l.MAC[5], i+1)), Dst: parse(lab.MetadataLinkLocal)}
			_ = l.Send(p.Solicit(p.Dst, l.MAC))
		}
		a.served(t)
		entries := strings.Count(a.hostShows(t, "ip", "-6", "neighbour", "show", "dev", lab.Bridge), a.attacker.MAC)
		if many := entries > tries/2; many == (a.protection == secured) {
			t.Errorf("the attacker has %d entries after %d attempts", entries, tries)
		}
	})
}
