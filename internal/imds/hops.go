package imds

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

type connKey struct{}

// WithConn remembers the connection that requests come by, for the hop limit:
// it is an http.Server's ConnContext. Without it no limit is set.
func WithConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// limitHops limits the packets of the connection to so many hops. The limit stays
// after the answer: if the receipt is not confirmed, the kernel sends the answer
// again with the limit that is set by then. Further answers on the connection go
// the same way and need no more hops.
func limitHops(ctx context.Context, hops int) error {
	conn, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return nil
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil // no IP: a test's pipe
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	level, option := unix.SOL_IP, unix.IP_TTL
	if isIPv6(conn.RemoteAddr()) {
		level, option = unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS
	}
	var setErr error
	err = raw.Control(func(fd uintptr) { setErr = unix.SetsockoptInt(int(fd), level, option, hops) })
	return errors.Join(err, setErr)
}

// isIPv6 tells the family that packets have, which for an IPv4 client of a
// socket for both is IPv4.
func isIPv6(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	return ok && ip.Unmap().Is6()
}
