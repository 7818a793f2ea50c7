package ingress

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"mdserver/internal/instance"
)

// linkHeader is the Ethernet header of a packet, if it has one.
type linkHeader struct {
	ethernet            bool
	destination, source instance.MAC
}

var errOtherSYN = errors.New("the SYN in the kernel does not belong to the connection")

const (
	sizeofEthernet = 14
	protocolTCP    = 6
)

// parseSYN reads the packet that opened a connection from remote to local: an IP
// packet, with an Ethernet header before it if it came by Ethernet. There must be
// nothing else, so that no other bytes can count as an Ethernet header.
func parseSYN(packet []byte, remote, local netip.AddrPort) (linkHeader, error) {
	if isSYN(packet, remote, local) {
		return linkHeader{}, nil // by an interface without Ethernet, such as a tunnel
	}
	if len(packet) < sizeofEthernet || !isSYN(packet[sizeofEthernet:], remote, local) {
		return linkHeader{}, errOtherSYN
	}
	wanted := uint16(0x0800)
	if remote.Addr().Is6() {
		wanted = 0x86dd
	}
	if binary.BigEndian.Uint16(packet[12:]) != wanted {
		return linkHeader{}, errOtherSYN
	}
	return linkHeader{true, instance.MAC(packet[:6]), instance.MAC(packet[6:12])}, nil
}

// isSYN reports whether the packet is, from its first byte to the end of its TCP
// header, the SYN of a connection.
func isSYN(packet []byte, remote, local netip.AddrPort) bool {
	tcp, ok := ipv4Payload(packet, remote.Addr(), local.Addr())
	if remote.Addr().Is6() {
		tcp, ok = ipv6Payload(packet, remote.Addr(), local.Addr())
	}
	const syn, ack = 0x02, 0x10
	return ok && len(tcp) >= 20 && len(tcp) == int(tcp[12]>>4)*4 &&
		binary.BigEndian.Uint16(tcp) == remote.Port() && binary.BigEndian.Uint16(tcp[2:]) == local.Port() &&
		tcp[13]&(syn|ack) == syn
}

// ipv4Payload reads an IPv4 header, RFC 791.
func ipv4Payload(packet []byte, from, to netip.Addr) ([]byte, bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 || packet[9] != protocolTCP {
		return nil, false
	}
	size := int(packet[0]&15) * 4
	if size < 20 || size > len(packet) ||
		netip.AddrFrom4([4]byte(packet[12:16])) != from || netip.AddrFrom4([4]byte(packet[16:20])) != to {
		return nil, false
	}
	return packet[size:], true
}

// ipv6Payload reads an IPv6 header and the extension headers that may be before
// TCP, RFC 8200.
func ipv6Payload(packet []byte, from, to netip.Addr) ([]byte, bool) {
	const sizeofIPv6 = 40
	if len(packet) < sizeofIPv6 || packet[0]>>4 != 6 ||
		netip.AddrFrom16([16]byte(packet[8:24])) != from.WithZone("") || netip.AddrFrom16([16]byte(packet[24:40])) != to.WithZone("") {
		return nil, false
	}
	const hopByHop, routing, fragment, destinationOptions = 0, 43, 44, 60
	next, rest := packet[6], packet[sizeofIPv6:]
	for next != protocolTCP {
		var size int
		switch {
		case len(rest) < 8:
			return nil, false
		case next == fragment:
			size = 8
		case next == hopByHop, next == routing, next == destinationOptions:
			size = 8 + int(rest[1])*8
		default:
			return nil, false
		}
		if size > len(rest) {
			return nil, false
		}
		next, rest = rest[0], rest[size:]
	}
	return rest, true
}
