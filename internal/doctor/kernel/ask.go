package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
)

const (
	rounds    = 3
	roundTime = 200 * time.Millisecond
)

// whoHas asks behind a port who has these addresses. The questions are sent by the
// port itself and the answers are read there, so that no rule of this host's bridge
// drops them. No machine learns an address of this host from the questions: those by
// ARP are probes without a sender (RFC 5227, 2.1.1).
func whoHas(port string, addrs []netip.Addr) ([]Answer, error) {
	link, err := net.InterfaceByName(port)
	if err != nil {
		return nil, err
	}
	if len(link.HardwareAddr) != len(instance.MAC{}) {
		return nil, fmt.Errorf("%s has no Ethernet address", port)
	}
	fd, err := openPort(link.Index)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var found []Answer
	for range rounds {
		for _, addr := range addrs {
			if _, err := unix.Write(fd, question(instance.MAC(link.HardwareAddr), addr)); err != nil {
				return nil, fmt.Errorf("asking at %s: %w", port, err)
			}
		}
		for end := time.Now().Add(roundTime); time.Now().Before(end); {
			frame, err := receive(fd)
			if err != nil {
				return nil, fmt.Errorf("listening at %s: %w", port, err)
			}
			if a, ok := answerIn(frame); ok && slices.Contains(addrs, a.Addr) && !slices.Contains(found, a) {
				found = append(found, a)
			}
		}
	}
	slices.SortFunc(found, func(a, b Answer) int {
		if a.Addr != b.Addr {
			return a.Addr.Compare(b.Addr)
		}
		return strings.Compare(a.MAC, b.MAC)
	})
	return found, nil
}

// openPort opens a socket for all frames of a port.
func openPort(index int) (int, error) {
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("a socket for frames: %w", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: (roundTime / 4).Microseconds()}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}))
	if err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("a socket for frames: %w", err)
	}
	return fd, nil
}

// receive returns a frame that came in, or nothing for a while without one. A frame of
// a VLAN is on another network.
func receive(fd int) ([]byte, error) {
	frame, control := make([]byte, 2048), make([]byte, 128)
	n, c, _, from, err := unix.Recvmsg(fd, frame, control, 0)
	switch at, _ := from.(*unix.SockaddrLinklayer); {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil, nil
	case err != nil:
		return nil, err
	case at == nil || at.Pkttype == unix.PACKET_OUTGOING || tagged(control[:c]):
		return nil, nil
	}
	return frame[:n], nil
}

// tagged reports whether the kernel took a VLAN tag off a frame. Source: struct
// tpacket_auxdata of linux/if_packet.h, whose first field is the status.
func tagged(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(messages, func(m unix.SocketControlMessage) bool {
		return m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 4 &&
			binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID != 0
	})
}

// The parts of frames. Source: RFC 826 and RFC 4861, 4.3 and 4.4.
const (
	etherHeader = 14
	ip6Header   = 40
	arpLength   = 28
	icmpTarget  = 8 // where a message of neighbour discovery has the address
	arpReply    = 2
)

var (
	etherARP  = []byte{0x08, 0x06}
	etherIPv6 = []byte{0x86, 0xdd}
	arpHead   = []byte{0, 1, 8, 0, 6, 4} // Ethernet and IPv4
)

// question is a frame that asks who has an address.
func question(own instance.MAC, addr netip.Addr) []byte {
	if addr.Is4() {
		broadcast := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		return slices.Concat(broadcast, own[:], etherARP,
			arpHead, []byte{0, 1}, own[:], make([]byte, 4), make([]byte, 6), addr.AsSlice())
	}
	target := addr.WithZone("").As16()
	last := target[13:]
	source := plan.LinkLocal(own).As16()
	group := [16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: last[0], 14: last[1], 15: last[2]}
	body := slices.Concat(make([]byte, 4), target[:], []byte{1, 1}, own[:])
	message := icmp.Message{Type: ipv6.ICMPTypeNeighborSolicitation, Body: &icmp.RawBody{Data: body}}
	text, err := message.Marshal(icmp.IPv6PseudoHeader(source[:], group[:]))
	if err != nil { // a RawBody cannot fail
		return nil
	}
	header := slices.Concat([]byte{0x60, 0, 0, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(text))), []byte{unix.IPPROTO_ICMPV6, 255}, source[:], group[:])
	return slices.Concat([]byte{0x33, 0x33, 0xff}, last, own[:], etherIPv6, header, text)
}

// answerIn reads an ARP reply or a neighbour advertisement: a machine says that it has
// an address.
func answerIn(frame []byte) (Answer, bool) {
	if len(frame) < etherHeader {
		return Answer{}, false
	}
	kind, payload := frame[12:etherHeader], frame[etherHeader:]
	switch {
	case slices.Equal(kind, etherARP) && len(payload) >= arpLength && slices.Equal(payload[:6], arpHead):
		if binary.BigEndian.Uint16(payload[6:]) != arpReply {
			return Answer{}, false
		}
		return Answer{netip.AddrFrom4([4]byte(payload[14:])), net.HardwareAddr(payload[8:14]).String()}, true
	case slices.Equal(kind, etherIPv6) && len(payload) >= ip6Header+icmpTarget+16 && payload[6] == unix.IPPROTO_ICMPV6:
		message := payload[ip6Header:]
		if message[0] != byte(ipv6.ICMPTypeNeighborAdvertisement) || payload[7] != 255 { // 255: it came by no router
			return Answer{}, false
		}
		return Answer{netip.AddrFrom16([16]byte(message[icmpTarget:])), net.HardwareAddr(frame[6:12]).String()}, true
	}
	return Answer{}, false
}
