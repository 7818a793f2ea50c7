package kernel

import (
	"fmt"
	"net/netip"

	"mdserver/internal/sockdiag"
)

// Sockets are this host's TCP listeners and unconnected UDP sockets.
type Sockets struct {
	List []Listener
	Err  error
}

// Listener is a socket that accepts any sender.
type Listener struct {
	Proto  string // tcp or udp
	Addr   netip.AddrPort
	Link   int     // index of the one interface that it is bound to, or 0
	Holder Process // that has it
}

// Takes reports whether the socket is in the way of one on that address and,
// if link is not 0, interface.
func (l Listener) Takes(proto string, addr netip.AddrPort, link int) bool {
	if l.Proto != proto || l.Addr.Port() != addr.Port() || l.Link != 0 && link != 0 && l.Link != link {
		return false
	}
	own := l.Addr.Addr().WithZone("")
	switch {
	case own == netip.IPv6Unspecified(): // takes IPv4, too, unless it says otherwise
		return true
	case own.IsUnspecified(), addr.Addr().IsUnspecified():
		return own.Is4() == addr.Addr().Is4()
	}
	return own == addr.Addr().WithZone("")
}

// String is the socket as ss prints it.
func (l Listener) String() string { return fmt.Sprintf("%s %s", l.Proto, l.Addr) }

// Sockets reads the sockets and finds their processes.
func (r Reader) Sockets() Sockets {
	sockets, err := sockdiag.Listening()
	if err != nil {
		return Sockets{Err: err}
	}
	inodes := map[uint32]bool{}
	for _, s := range sockets {
		inodes[s.Inode] = true
	}
	holders := r.holders(inodes)
	var all Sockets
	for _, s := range sockets {
		l := Listener{Proto: s.Proto, Addr: s.Addr, Link: s.Link}
		if pid, seen := holders[s.Inode]; seen {
			l.Holder = r.Process(pid)
		}
		all.List = append(all.List, l)
	}
	return all
}
