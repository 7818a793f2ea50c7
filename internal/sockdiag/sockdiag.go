// Package sockdiag asks the kernel about the sockets of this network namespace.
// Source: sock_diag(7), <linux/inet_diag.h> and inet_diag.c in Linux's net/ipv4.
package sockdiag

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Socket is a socket that accepts any sender.
type Socket struct {
	Proto string // tcp or udp
	Addr  netip.AddrPort
	Link  int // index of the one interface that it is bound to, or 0
	Inode uint32
}

// Listening reads the TCP listeners and the unconnected UDP sockets.
func Listening() ([]Socket, error) {
	var all []Socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		tcp, err := netlink.SocketDiagTCPInfo(family)
		if err != nil {
			return nil, fmt.Errorf("asking the kernel for TCP sockets: %w", err)
		}
		for _, s := range tcp {
			if s.InetDiagMsg != nil && s.InetDiagMsg.State == netlink.TCP_LISTEN {
				all = append(all, newSocket("tcp", s.InetDiagMsg))
			}
		}
		udp, err := netlink.SocketDiagUDPInfo(family)
		if err != nil {
			return nil, fmt.Errorf("asking the kernel for UDP sockets: %w", err)
		}
		for _, s := range udp {
			if s.InetDiagMsg != nil && s.InetDiagMsg.ID.DestinationPort == 0 {
				all = append(all, newSocket("udp", s.InetDiagMsg))
			}
		}
	}
	return all, nil
}

func newSocket(proto string, s *netlink.Socket) Socket {
	addr, _ := netip.AddrFromSlice(s.ID.Source)
	return Socket{proto, netip.AddrPortFrom(addr.Unmap(), s.ID.SourcePort), int(s.ID.Interface), s.INode}
}
