package doctor

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// listener is a socket that waits for anybody.
type listener struct {
	proto string // tcp or udp
	addr  netip.AddrPort
	link  int // index of the one interface that it is bound to, or 0
	inode uint32
}

// listening reads the host's TCP listeners and unconnected UDP sockets.
func listening() ([]listener, error) {
	var all []listener
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		tcp, err := netlink.SocketDiagTCPInfo(family)
		if err != nil {
			return nil, fmt.Errorf("asking the kernel for TCP sockets: %w", err)
		}
		for _, s := range tcp {
			if s.InetDiagMsg != nil && s.InetDiagMsg.State == netlink.TCP_LISTEN {
				all = append(all, newListener("tcp", s.InetDiagMsg))
			}
		}
		udp, err := netlink.SocketDiagUDPInfo(family)
		if err != nil {
			return nil, fmt.Errorf("asking the kernel for UDP sockets: %w", err)
		}
		for _, s := range udp {
			if s.InetDiagMsg != nil && s.InetDiagMsg.ID.DestinationPort == 0 {
				all = append(all, newListener("udp", s.InetDiagMsg))
			}
		}
	}
	return all, nil
}

func newListener(proto string, s *netlink.Socket) listener {
	addr, _ := netip.AddrFromSlice(s.ID.Source)
	return listener{proto, netip.AddrPortFrom(addr.Unmap(), s.ID.SourcePort), int(s.ID.Interface), s.INode}
}

// takes reports whether the socket is in the way of one on that address and,
// if link is not 0, interface.
func (l listener) takes(proto string, addr netip.AddrPort, link int) bool {
	if l.proto != proto || l.addr.Port() != addr.Port() || l.link != 0 && link != 0 && l.link != link {
		return false
	}
	own := l.addr.Addr().WithZone("")
	switch {
	case own == netip.IPv6Unspecified(): // takes IPv4, too, unless it says otherwise
		return true
	case own.IsUnspecified(), addr.Addr().IsUnspecified():
		return own.Is4() == addr.Addr().Is4()
	}
	return own == addr.Addr().WithZone("")
}

// String is the socket as ss prints it.
func (l listener) String() string { return fmt.Sprintf("%s %s", l.proto, l.addr) }
