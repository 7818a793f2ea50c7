package doctor

import (
	"fmt"
	"net/netip"

	"mdserver/internal/sockdiag"
)

// listener is a socket that accepts any sender.
type listener struct {
	proto string // tcp or udp
	addr  netip.AddrPort
	link  int // index of the one interface that it is bound to, or 0
	inode uint32
}

// listening reads the host's TCP listeners and unconnected UDP sockets.
func listening() ([]listener, error) {
	sockets, err := sockdiag.Listening()
	all := make([]listener, 0, len(sockets))
	for _, s := range sockets {
		all = append(all, listener{s.Proto, s.Addr, s.Link, s.Inode})
	}
	return all, err
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
