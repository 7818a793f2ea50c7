//go:build e2e

package attacks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

var (
	raType       = layers.CreateICMPv6TypeCode(layers.ICMPv6TypeRouterAdvertisement, 0)
	hopByHop     = layers.IPProtocolIPv6HopByHop
	options      = layers.IPProtocolIPv6Destination
	icmp6        = layers.IPProtocolICMPv6
	redirectType = layers.CreateICMPv6TypeCode(layers.ICMPv6TypeRedirect, 0)
)

// advertisement is a router advertisement with a mark in an option.
func (a *arena) advertisement(mark string) *layers.ICMPv6RouterAdvertisement {
	data := make([]byte, 14) // option and length make it 16 bytes
	copy(data, mark)
	return &layers.ICMPv6RouterAdvertisement{HopLimit: 64, RouterLifetime: 9000, Options: layers.ICMPv6Options{
		{Type: layers.ICMPv6OptSourceAddress, Data: a.attacker.mac}, {Type: 250, Data: data},
	}}
}

func (a *arena) toAllNodes(src string) wire.Packet {
	return wire.Packet{SrcMAC: a.attacker.mac, DstMAC: wire.AllNodes, Src: parse(src), Dst: parse("ff02::1"), HopLimit: 255}
}

func TestRogueRouterAdvertisement(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, src := range []string{a.attacker.linkLocal().String(), "fe80::1", lab.MetadataLinkLocal} {
			mark := fmt.Sprintf("rogue-ra-%d", i)
			a.crosses(t, ear, "a router advertisement from "+src, a.toAllNodes(src).ICMP6(raType, a.advertisement(mark)), mark)
			p := a.toAllNodes(src)
			p.DstMAC, p.Dst = a.victim.mac, a.victim.linkLocal()
			mark = fmt.Sprintf("rogue-ua-%d", i)
			a.crosses(t, ear, "a router advertisement to the victim from "+src, p.ICMP6(raType, a.advertisement(mark)), mark)
		}
	})
}

// RFC 7113: filters that look at the first header alone miss these.
func TestRogueRouterAdvertisementBehindExtensionHeaders(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		src := a.attacker.linkLocal().String()
		for name, extensions := range map[string][]wire.Extension{
			"hop-by-hop":  {padding(hopByHop, icmp6)},
			"destination": {padding(options, icmp6)},
			"routing":     {padding(layers.IPProtocolIPv6Routing, icmp6)},
			"three":       {padding(hopByHop, options), padding(options, options), padding(options, icmp6)},
		} {
			mark := "ra-" + name[:4]
			a.crosses(t, ear, "a router advertisement behind "+name, a.toAllNodes(src).ICMP6(raType, a.advertisement(mark), extensions...), mark)
		}
	})
}

// padding is an extension header with nothing but padding in it.
func padding(kind, next layers.IPProtocol) wire.Extension {
	return wire.Extension{Kind: kind, Bytes: []byte{byte(next), 0, 1, 4, 0, 0, 0, 0}}
}

// The message is in fragments, so that no packet tells what it is: RFC 6980. All
// of them must arrive to mean anything.
func TestRogueRouterAdvertisementInFragments(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		whole := a.toAllNodes(a.attacker.linkLocal().String()).ICMP6(raType, a.advertisement("frag-mark"))
		const header = 14 + 40
		message, behind := whole[header:], append([]byte{byte(icmp6), 0, 1, 4, 0, 0, 0, 0}, whole[header:]...)
		for what, f := range map[string]struct {
			next    layers.IPProtocol
			payload []byte
			cut     int
		}{
			"its type in the first fragment":            {icmp6, message, 8},
			"its type in the first behind options":      {options, behind, 16},
			"its type in the second":                    {options, behind, 8},
			"one fragment alone":                        {icmp6, message, len(message)},
			"one fragment alone and options before":     {options, behind, len(behind)},
			"its type in the second, which comes first": {options, behind, -8},
		} {
			cut := max(f.cut, -f.cut)
			parts := [][]byte{fragment(whole[:header], f.next, 0, cut < len(f.payload), f.payload[:cut])}
			if cut < len(f.payload) {
				parts = append(parts, fragment(whole[:header], f.next, uint16(cut), false, f.payload[cut:]))
			}
			if f.cut < 0 {
				slices.Reverse(parts)
			}
			if heard := a.arrive(t, ear, parts); heard == (a.protection == secured) {
				t.Errorf("a router advertisement with %s reaches the victim: %v", what, heard)
			}
		}
	})
}

// arrive reports whether the victim hears all the frames.
func (a *arena) arrive(t *testing.T, ear *wire.Link, frames [][]byte) bool {
	t.Helper()
	link := a.attacker.link(t)
	missing := map[string]bool{}
	for _, frame := range frames {
		missing[string(frame)] = true
	}
	return a.tries(func(wait time.Duration) bool {
		for _, frame := range frames {
			if err := link.Send(frame); err != nil {
				t.Fatal(err)
			}
		}
		return ear.Hear(wait, func(frame []byte) bool {
			delete(missing, string(frame))
			return len(missing) == 0
		})
	})
}

// fragment makes a fragment from the headers of the whole packet.
func fragment(headers []byte, next layers.IPProtocol, offset uint16, more bool, payload []byte) []byte {
	frame := append([]byte{}, headers...)
	frame[14+6] = byte(layers.IPProtocolIPv6Fragment)
	binary.BigEndian.PutUint16(frame[14+4:], uint16(8+len(payload)))
	flags := offset &^ 7
	if more {
		flags |= 1
	}
	frame = append(frame, byte(next), 0)
	frame = binary.BigEndian.AppendUint16(frame, flags)
	frame = append(frame, 0, 0, 0, 42)
	frame = append(frame, payload...)
	for len(frame) < 60 {
		frame = append(frame, 0)
	}
	return frame
}

func TestRogueRouterAdvertisementWithPriorityTag(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, tags := range [][]wire.Tag{{{}}, {{Outer: true}}, {{}, {}}} {
			mark := fmt.Sprintf("tag-ra-%d", i)
			p := a.toAllNodes(a.attacker.linkLocal().String())
			p.Tags = tags
			a.crosses(t, ear, fmt.Sprintf("a router advertisement with tags %v", tags), p.ICMP6(raType, a.advertisement(mark)), mark)
		}
	})
}

func TestRedirectVictimByICMP(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.victim.mac, Src: parse(lab.Gateway), Dst: a.victim.inst.IPv4}
		router := a.attacker.inst.IPv4.As4()
		redirect := p.ICMP4(layers.CreateICMPv4TypeCode(layers.ICMPv4TypeRedirect, 1),
			binary.BigEndian.Uint16(router[:]), binary.BigEndian.Uint16(router[2:]), []byte("redirect-mark-padded-to-a-header"))
		a.crosses(t, ear, "a redirect in the gateway's name", redirect, "redirect-mark")
	})
}

func TestRedirectVictimByICMPv6(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, src := range []string{lab.MetadataLinkLocal, a.attacker.linkLocal().String()} {
			mark := fmt.Sprintf("redirect-v6-%d", i)
			data := make([]byte, 14)
			copy(data, mark)
			p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.victim.mac, Src: parse(src), Dst: a.victim.linkLocal(), HopLimit: 255}
			a.crosses(t, ear, "a redirect from "+src, p.ICMP6(redirectType, &layers.ICMPv6Redirect{
				TargetAddress: a.attacker.linkLocal().AsSlice(), DestinationAddress: parse(lab.MetadataAddr6).AsSlice(),
				Options: layers.ICMPv6Options{{Type: 250, Data: data}},
			}), mark)
		}
	})
}

// arpSays sends the victim word by ARP that an address is at the attacker's.
func (a *arena) arpSays(t *testing.T, addr string) {
	t.Helper()
	ear := a.victim.link(t)
	for _, reply := range []bool{true, false} {
		for _, dst := range []net.HardwareAddr{a.victim.mac, wire.Broadcast} {
			for i, src := range []net.HardwareAddr{a.attacker.mac, a.bridge} {
				mac := net.HardwareAddr{0x02, 0xcc, byte(i), dst[0], byte(len(addr)), a.attacker.mac[5]} // a mark as well
				if reply {
					mac[2] |= 0x80
				}
				frame := wire.ARP{SrcMAC: src, DstMAC: dst, Reply: reply, Sender: parse(addr), Target: a.victim.inst.IPv4, SenderMAC: mac}.Frame()
				a.crosses(t, ear, fmt.Sprintf("ARP (reply: %v) from %s to %s that %s is at the attacker's", reply, src, dst, addr), frame, string(mac))
			}
		}
	}
}

func TestAnswerARPForGateway(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) { a.arpSays(t, lab.Gateway) })
}

func TestAnswerARPForMetadataAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) { a.arpSays(t, lab.MetadataAddr) })
}

func TestAnswerARPForOtherGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		other := a.guest(t, form{})
		a.arpSays(t, other.inst.IPv4.String())
	})
}

// advertises sends the victim word by neighbour discovery that an address is at
// the attacker's.
func (a *arena) advertises(t *testing.T, addr string) {
	t.Helper()
	ear := a.victim.link(t)
	target := parse(addr)
	for i, src := range []string{addr, a.attacker.linkLocal().String(), a.attacker.inst.IPv6.String()} {
		mac := net.HardwareAddr{0x02, 0xdd, byte(i), addr[len(addr)-1], byte(len(addr)), a.attacker.mac[5]}
		p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.victim.mac, Src: parse(src), Dst: a.victim.linkLocal()}
		a.crosses(t, ear, "an advertisement from "+src+" that "+addr+" is at the attacker's",
			p.Advertise(target, mac, wire.Override|wire.Solicited|wire.Router), string(mac))
		p.DstMAC, p.Dst = wire.AllNodes, parse("ff02::1")
		mac[2] |= 0x80
		a.crosses(t, ear, "an advertisement to all from "+src+" that "+addr+" is at the attacker's",
			p.Advertise(target, mac, wire.Override), string(mac))
	}
	// A solicitation tells as much: its sender's own address.
	mac := net.HardwareAddr{0x02, 0xde, 1, addr[len(addr)-1], byte(len(addr)), a.attacker.mac[5]}
	p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.victim.mac, Src: target, Dst: a.victim.linkLocal()}
	a.crosses(t, ear, "a solicitation from "+addr, p.Solicit(a.victim.linkLocal(), mac), string(mac))
}

func TestAdvertiseGateway(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) { a.advertises(t, lab.Gateway6) })
}

func TestAdvertiseMetadataAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.advertises(t, lab.MetadataAddr6)
		a.advertises(t, lab.MetadataLinkLocal)
	})
}

func TestAdvertiseOtherGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		other := a.guest(t, form{})
		a.advertises(t, other.inst.IPv6.String())
		a.advertises(t, other.linkLocal().String())
	})
}

// A link-local address that does not follow from the victim's MAC: nobody but the victim
// can know it, and it has used it first.
func TestTakeChosenLinkLocalAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		addr := parse(fmt.Sprintf("fe80::c405:e:%x%02x", a.victim.mac[4], a.victim.mac[5])) // of this victim alone
		victim, attacker := a.victim.link(t), a.attacker.link(t)
		mine := wire.Packet{SrcMAC: a.victim.mac, DstMAC: wire.AllNodes, Src: parse("::"), Dst: parse("ff02::1")}
		if err := victim.Send(mine.Solicit(addr, a.victim.mac)); err != nil { // whether it is free
			t.Fatal(err)
		}
		a.advertises(t, addr.String())
		probe := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: wire.AllNodes, Src: parse("::"), Dst: parse("ff02::1")}
		mac := net.HardwareAddr{0x02, 0xe0, 1, 2, 3, a.attacker.mac[5]}
		a.crosses(t, victim, "a probe for the address that the victim chose", probe.Solicit(addr, mac), string(mac))
		probe.Src = addr
		a.crosses(t, victim, "a datagram from it", probe.UDP(1000, 1000, []byte("from-chosen")), "from-chosen")
		mine.Src = addr
		eventually(t, "the victim uses it", func() error {
			_ = victim.Send(mine.UDP(1000, 1000, []byte("rightful")))
			if !attacker.Hear(time.Second, func(frame []byte) bool { return strings.Contains(string(frame), "rightful") }) {
				return errors.New("nothing is heard from it")
			}
			return nil
		})
	})
}

// Duplicate address detection by somebody who has every address: the victim
// would give its own up.
func TestDenyVictimItsAddressByDuplicateDetection(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.advertises(t, a.victim.inst.IPv6.String())
		// Two that ask for one address at a time both give it up: RFC 4862, 5.4.3.
		mac := net.HardwareAddr{0x02, 0xdf, 1, 2, 3, a.attacker.mac[5]}
		p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: wire.AllNodes, Src: parse("::"), Dst: parse("ff02::1")}
		a.crosses(t, a.victim.link(t), "a probe for the victim's address", p.Solicit(a.victim.inst.IPv6, mac), string(mac))
	})
}

// RFC 5227: so do those that probe by ARP.
func TestDenyVictimItsAddressByARPProbe(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, target := range []string{a.victim.inst.IPv4.String(), lab.Gateway, lab.MetadataAddr} {
			mac := net.HardwareAddr{0x02, 0xce, byte(i), 2, 3, a.attacker.mac[5]}
			frame := wire.ARP{SrcMAC: a.attacker.mac, DstMAC: wire.Broadcast, Sender: unspecified, Target: parse(target), SenderMAC: mac}.Frame()
			a.crosses(t, ear, "a probe for "+target, frame, string(mac))
		}
	})
}

func TestSendInTheNameOfOtherGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		other := a.guest(t, form{})
		ear := a.victim.link(t)
		for _, w := range ways {
			for i, src := range []net.HardwareAddr{a.attacker.mac, other.mac} {
				mark := fmt.Sprintf("in-others-name-%s-%d", w, i)
				p := wire.Packet{SrcMAC: src, DstMAC: a.victim.mac, Src: other.addr(w), Dst: a.victim.addr(w)}
				a.crosses(t, ear, "a datagram from "+other.addr(w).String(), p.UDP(1000, 1000, []byte(mark)), mark)
			}
		}
	})
}

// Answers as from the metadata server itself.
func TestImpersonateMetadataServer(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for _, w := range ways {
			for i, src := range []net.HardwareAddr{a.attacker.mac, a.bridge} {
				mark := fmt.Sprintf("HTTP/1.1 200 OK forged %s %d", w, i)
				p := wire.Packet{SrcMAC: src, DstMAC: a.victim.mac, Src: w.server(), Dst: a.victim.addr(w)}
				a.crosses(t, ear, "an answer from "+w.server().String(),
					p.TCP(layers.TCP{SrcPort: 80, DstPort: 40000, ACK: true, PSH: true, Window: 1000}, []byte(mark)), mark)
			}
		}
	})
}

// A bridge sends what is for any group to the ports of multicast routers: those from
// which queries come, advertisements of routers (RFC 4286), or PIM.
func TestPoseAsMulticastRouter(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		own, own6 := a.attacker.inst.IPv4.String(), a.attacker.linkLocal().String()
		pim := layers.IPProtocol(103)
		for i, m := range []struct {
			what, to string
			protocol layers.IPProtocol
			kind     byte
		}{
			{"a query", "224.0.0.1", layers.IPProtocolIGMP, 0x11},
			{"DVMRP", "224.0.0.4", layers.IPProtocolIGMP, 0x13},
			{"an advertisement", "224.0.0.106", layers.IPProtocolIGMP, 0x30},
			{"PIM", "224.0.0.13", pim, 0x20},
			{"a query by IPv6", "ff02::1", icmp6, 130},
			{"an advertisement by IPv6", "ff02::6a", icmp6, 151},
			{"PIM by IPv6", "ff02::d", pim, 0x20},
		} {
			mark := fmt.Sprintf("multicast-router-%d", i)
			packet, src, etherType := lab.IPv4, own, uint16(lab.EtherIPv4)
			if parse(m.to).Is6() {
				packet, src, etherType = lab.IPv6, own6, lab.EtherIPv6
			}
			frame := lab.Frame(a.attacker.MAC, lab.Broadcast, etherType, packet(src, m.to, m.protocol, lab.ICMP(m.kind, []byte(mark))))
			a.crosses(t, ear, m.what, frame, mark)
		}
	})
}
