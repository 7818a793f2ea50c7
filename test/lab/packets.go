package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// EtherTypes of frames.
const (
	EtherIPv4 = 0x0800
	EtherARP  = 0x0806
	EtherRARP = 0x8035
	EtherVLAN = 0x8100
	EtherQinQ = 0x88a8
	EtherIPv6 = 0x86dd
)

// Broadcast is everybody's Ethernet address.
const Broadcast = "ff:ff:ff:ff:ff:ff"

// Frame is an Ethernet frame with any payload.
func Frame(from, to string, etherType uint16, payload []byte) []byte {
	frame := append(mac(to), mac(from)...)
	frame = binary.BigEndian.AppendUint16(frame, etherType)
	return append(frame, payload...)
}

// Tagged puts a VLAN tag into a frame.
func Tagged(frame []byte, etherType, vlan uint16) []byte {
	tagged := append([]byte{}, frame[:12]...)
	tagged = binary.BigEndian.AppendUint16(tagged, etherType)
	tagged = binary.BigEndian.AppendUint16(tagged, vlan)
	return append(tagged, frame[12:]...)
}

// ARP is the payload of an ARP or RARP frame.
func ARP(operation uint16, senderMAC, sender, targetMAC, target string) []byte {
	packet := []byte{0, 1, 8, 0, 6, 4}
	packet = binary.BigEndian.AppendUint16(packet, operation)
	packet = append(append(packet, mac(senderMAC)...), addr(sender)...)
	return append(append(packet, mac(targetMAC)...), addr(target)...)
}

// IPv4 is a packet with any payload.
func IPv4(from, to string, protocol layers.IPProtocol, payload []byte) []byte {
	ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: protocol, SrcIP: addr(from), DstIP: addr(to)}
	return serialize(ip, gopacket.Payload(payload))
}

// Fragment4 makes a packet a fragment, offset in bytes.
func Fragment4(packet []byte, offset uint16, more bool) []byte {
	ip := append([]byte{}, packet...)
	flags := offset / 8
	if more {
		flags |= 0x2000
	}
	was, is := uint32(binary.BigEndian.Uint16(ip[6:])), uint32(flags)
	binary.BigEndian.PutUint16(ip[6:], flags)
	// The checksum follows (RFC 1624).
	sum := uint32(^binary.BigEndian.Uint16(ip[10:])) + (^was & 0xffff) + is
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	return ip
}

// IPv6 is a packet with any payload, behind extension headers if next is one's
// number.
func IPv6(from, to string, next layers.IPProtocol, payload []byte) []byte {
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: next, SrcIP: addr(from), DstIP: addr(to)}
	return serialize(ip, gopacket.Payload(payload))
}

// UDP is a datagram without a checksum.
func UDP(from, to uint16, payload []byte) []byte {
	return serialize(&layers.UDP{SrcPort: layers.UDPPort(from), DstPort: layers.UDPPort(to)}, gopacket.Payload(payload))
}

// ICMP is a message of ICMP, ICMPv6 or IGMP, without a checksum.
func ICMP(messageType byte, body []byte) []byte { return append([]byte{messageType, 0, 0, 0}, body...) }

// Neighbour is a neighbour solicitation (135) or advertisement (136).
func Neighbour(messageType byte, target string) []byte {
	return ICMP(messageType, append(make([]byte, 4), addr(target)...))
}

// Extension is an extension header of IPv6 of eight bytes and what is behind it.
func Extension(next layers.IPProtocol, payload []byte) []byte {
	return append([]byte{byte(next), 0, 1, 4, 0, 0, 0, 0}, payload...) // PadN
}

// Fragment6 is a fragment header and what is behind it, offset in bytes.
func Fragment6(next layers.IPProtocol, offset uint16, more bool, payload []byte) []byte {
	header := []byte{byte(next), 0, 0, 0, 0, 0, 0, 42}
	if more {
		offset |= 1
	}
	binary.BigEndian.PutUint16(header[2:], offset)
	return append(header, payload...)
}

// BOOTP is a DHCP message of an operation (1 is a client's, 2 a server's) and a type.
func BOOTP(operation byte, client string, messageType layers.DHCPMsgType) []byte {
	return serialize(&layers.DHCPv4{
		Operation: layers.DHCPOp(operation), HardwareType: layers.LinkTypeEthernet, HardwareLen: 6, Xid: 1, ClientHWAddr: mac(client),
		Options: layers.DHCPOptions{layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{byte(messageType)})},
	})
}

// serialize panics for what no test means to send.
func serialize(all ...gopacket.SerializableLayer) []byte {
	_, isIPv4 := all[0].(*layers.IPv4) // which has a checksum of its own
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: isIPv4}, all...); err != nil {
		panic(fmt.Sprintf("a packet of a test: %v", err))
	}
	return buffer.Bytes()
}

func mac(text string) net.HardwareAddr {
	hw, err := net.ParseMAC(text)
	if err != nil {
		panic(fmt.Sprintf("a MAC of a test: %v", err))
	}
	return hw
}

func addr(text string) net.IP { return netip.MustParseAddr(text).AsSlice() }
