package wire

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// MAC addresses with a meaning.
var (
	Broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	AllNodes  = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
)

// Frame serializes layers, the Ethernet header first, with lengths and
// checksums as they should be. It pads the frame to the least that Ethernet
// allows.
func Frame(all ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, options, all...); err != nil {
		panic(fmt.Sprintf("a test builds a frame that cannot be: %v", err))
	}
	frame := buf.Bytes()
	for len(frame) < 60 {
		frame = append(frame, 0)
	}
	return frame
}

// Tag is a VLAN tag: 802.1Q, or 802.1ad if it is an outer one.
type Tag struct {
	Outer bool
	VLAN  uint16 // 0 tells a priority alone
}

// Ethernet makes the Ethernet header, with tags, of what comes next.
func Ethernet(src, dst net.HardwareAddr, next layers.EthernetType, tags ...Tag) []gopacket.SerializableLayer {
	header := &layers.Ethernet{SrcMAC: src, DstMAC: dst, EthernetType: next}
	all := []gopacket.SerializableLayer{header}
	set := &header.EthernetType
	for _, tag := range tags {
		*set = layers.EthernetTypeDot1Q
		if tag.Outer {
			*set = layers.EthernetTypeQinQ
		}
		dot1q := &layers.Dot1Q{VLANIdentifier: tag.VLAN, Priority: 1, Type: next}
		all, set = append(all, dot1q), &dot1q.Type
	}
	return all
}

// Packet is what every frame with an IP packet has.
type Packet struct {
	SrcMAC, DstMAC net.HardwareAddr
	Src, Dst       netip.Addr
	Tags           []Tag
	HopLimit       uint8 // 64 if it is 0
}

// UDP makes a frame with a UDP datagram.
func (p Packet) UDP(from, to uint16, payload []byte) []byte {
	udp := &layers.UDP{SrcPort: layers.UDPPort(from), DstPort: layers.UDPPort(to)}
	return p.frame(layers.IPProtocolUDP, udp, udp, gopacket.Payload(payload))
}

// TCP makes a frame with a TCP segment.
func (p Packet) TCP(segment layers.TCP, payload []byte) []byte {
	return p.frame(layers.IPProtocolTCP, &segment, &segment, gopacket.Payload(payload))
}

// ICMP4 makes a frame with an ICMP message for IPv4. The header's second word
// is in id and seq.
func (p Packet) ICMP4(kind layers.ICMPv4TypeCode, id, seq uint16, payload []byte) []byte {
	return p.frame(layers.IPProtocolICMPv4, nil, &layers.ICMPv4{TypeCode: kind, Id: id, Seq: seq}, gopacket.Payload(payload))
}

// Extension is an IPv6 extension header as it is on the wire: RFC 8200, 4.
// Its first byte tells what follows.
type Extension struct {
	Kind  layers.IPProtocol
	Bytes []byte
}

// ICMP6 makes a frame with an ICMP message for IPv6 behind extension headers.
func (p Packet) ICMP6(kind layers.ICMPv6TypeCode, message gopacket.SerializableLayer, extensions ...Extension) []byte {
	icmp := &layers.ICMPv6{TypeCode: kind}
	ip := p.ip6(layers.IPProtocolICMPv6)
	_ = icmp.SetNetworkLayerForChecksum(ip)
	all := append(Ethernet(p.SrcMAC, p.DstMAC, layers.EthernetTypeIPv6, p.Tags...), ip)
	for i, e := range extensions {
		if i == 0 {
			ip.NextHeader = e.Kind
		}
		all = append(all, gopacket.Payload(e.Bytes))
	}
	return Frame(append(all, icmp, message)...)
}

type checksummed interface {
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}

func (p Packet) frame(protocol layers.IPProtocol, sum checksummed, rest ...gopacket.SerializableLayer) []byte {
	if p.Src.Is4() {
		ip := &layers.IPv4{Version: 4, TTL: p.hops(), Protocol: protocol, SrcIP: p.Src.AsSlice(), DstIP: p.Dst.AsSlice()}
		if sum != nil {
			_ = sum.SetNetworkLayerForChecksum(ip)
		}
		all := append(Ethernet(p.SrcMAC, p.DstMAC, layers.EthernetTypeIPv4, p.Tags...), ip)
		return Frame(append(all, rest...)...)
	}
	ip := p.ip6(protocol)
	if sum != nil {
		_ = sum.SetNetworkLayerForChecksum(ip)
	}
	all := append(Ethernet(p.SrcMAC, p.DstMAC, layers.EthernetTypeIPv6, p.Tags...), ip)
	return Frame(append(all, rest...)...)
}

func (p Packet) ip6(next layers.IPProtocol) *layers.IPv6 {
	src, dst := p.Src.As16(), p.Dst.As16()
	return &layers.IPv6{Version: 6, HopLimit: p.hops(), NextHeader: next, SrcIP: src[:], DstIP: dst[:]}
}

func (p Packet) hops() uint8 {
	if p.HopLimit == 0 {
		return 64
	}
	return p.HopLimit
}

// ARP is a message of RFC 826. The Ethernet source need not be what the message
// says.
type ARP struct {
	SrcMAC, DstMAC net.HardwareAddr // of the frame
	Reply          bool
	Sender, Target netip.Addr
	SenderMAC      net.HardwareAddr
	Tags           []Tag
}

// Frame makes the frame.
func (a ARP) Frame() []byte {
	op, target := uint16(layers.ARPRequest), make(net.HardwareAddr, 6)
	if a.Reply {
		op, target = layers.ARPReply, a.DstMAC
	}
	return Frame(append(Ethernet(a.SrcMAC, a.DstMAC, layers.EthernetTypeARP, a.Tags...), &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: a.SenderMAC, SourceProtAddress: a.Sender.AsSlice(), DstHwAddress: target, DstProtAddress: a.Target.AsSlice(),
	})...)
}

// The flags of a neighbour advertisement, RFC 4861, 4.4.
const (
	Solicited = 0x40
	Override  = 0x20
	Router    = 0x80
)

// Advertise makes a neighbour advertisement that target is at mac.
func (p Packet) Advertise(target netip.Addr, mac net.HardwareAddr, flags uint8) []byte {
	p.HopLimit = 255
	return p.ICMP6(layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborAdvertisement, 0), &layers.ICMPv6NeighborAdvertisement{
		Flags: flags, TargetAddress: target.AsSlice(),
		Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: mac}},
	})
}

// Solicit makes a neighbour solicitation for target by a sender who says to be
// at mac.
func (p Packet) Solicit(target netip.Addr, mac net.HardwareAddr) []byte {
	p.HopLimit = 255
	return p.ICMP6(layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0), &layers.ICMPv6NeighborSolicitation{
		TargetAddress: target.AsSlice(),
		Options:       layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: mac}},
	})
}
