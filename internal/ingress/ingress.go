// Package ingress tells where an accepted connection came from, as the kernel
// saw it and not as the sender says it: the interface, the Ethernet source of
// the SYN, and the bridge's port that this MAC is at.
//
//	config.Control = ingress.Control // of the net.ListenConfig
//	kernel, err := ingress.Open(known, log)
//	source, err := kernel.Source(conn)
//	port, err := kernel.Port(conn, source)
//
// Source: TCP_SAVE_SYN in Linux's include/uapi/linux/tcp.h and
// net/ipv4/tcp_input.c; the value 2 is there since Linux 5.10.
package ingress

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
)

// Loopback is the interface of a host's connections to itself, on any of its
// addresses.
const Loopback = "lo"

// ErrNoSYN means that the kernel answered the SYN with a SYN cookie: nothing is
// known of who sent it.
var ErrNoSYN = errors.New("the kernel has no SYN of the connection")

// Source is where a connection came from.
type Source struct {
	Local, Remote netip.AddrPort // IPv4 addresses are not in their mapped form
	Index         int            // of the interface
	Interface     string
	MAC           instance.MAC // zero: the interface has none, or the kernel did not tell
}

// Addr is the sender's address.
func (s Source) Addr() netip.Addr { return s.Remote.Addr() }

// Loopback reports whether this host itself made the connection.
func (s Source) Loopback() bool { return s.Interface == Loopback }

// Kernel answers questions about connections. Make one with Open.
type Kernel struct {
	savesSYN bool
	bridge   *bridgeSocket
	vlans    vlanCache
	moves    *moves
	pins     pins
}

// Open finds out what the kernel can tell, and begins to follow which bridges'
// ports the known MACs are at. Close ends that.
func Open(known func(instance.MAC) bool, log *slog.Logger) (*Kernel, error) {
	bridge, err := openBridgeSocket()
	if err != nil {
		return nil, err
	}
	moves, err := follow(known, log)
	if err != nil {
		return nil, errors.Join(err, bridge.close())
	}
	return &Kernel{savesSYN: canSaveSYN(), bridge: bridge, moves: moves}, nil
}

// Close ends what Open began.
func (k *Kernel) Close() error { return errors.Join(k.moves.close(), k.bridge.close()) }

// SavesSYN reports whether the kernel keeps the Ethernet source of a SYN. Where
// it does not, a MAC is what the neighbour table has for the address, which
// senders can change.
func (k *Kernel) SavesSYN() bool { return k.savesSYN }

// repeats is how often the kernel repeats its part of a handshake, after 1, 3 and 7
// seconds. Bridges lose little, and what never completes is forgotten before much of
// it gathers and SYN cookies are needed.
const repeats = 2

// Control prepares a listening socket; it is a net.ListenConfig's Control. What
// is asked for here holds for the connections that the socket accepts.
func Control(network, _ string, conn syscall.RawConn) error {
	var err error
	controlErr := conn.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1); err != nil {
			return
		}
		if network != "tcp4" {
			if err = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1); err != nil {
				return
			}
		}
		if err = unix.SetsockoptInt(int(fd), unix.SOL_TCP, unix.TCP_SYNCNT, repeats); err != nil {
			return
		}
		if err = saveSYN(int(fd)); errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOPROTOOPT) {
			err = nil // see SavesSYN
		}
	})
	return errors.Join(controlErr, err)
}

// saveSYN asks for SYNs from the Ethernet header on.
func saveSYN(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_SAVE_SYN, 2) }

func canSaveSYN() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return saveSYN(fd) == nil
}

// Source tells where a connection came from. It is asked once, as soon as the
// connection is accepted. Errors: ErrNoSYN, and those of the kernel.
func (k *Kernel) Source(tcp *net.TCPConn) (Source, error) {
	s := Source{Local: address(tcp.LocalAddr()), Remote: address(tcp.RemoteAddr())}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return s, err
	}
	controlErr := raw.Control(func(fd uintptr) { err = k.look(int(fd), &s) })
	return s, errors.Join(controlErr, err)
}

func (k *Kernel) look(fd int, s *Source) (err error) {
	if s.Index, err = arrival(fd, s.Addr().Is6()); err != nil {
		return fmt.Errorf("interface of a connection: %w", err)
	}
	if s.Interface, err = interfaceName(fd, s.Index); err != nil {
		return err
	}
	if k.savesSYN {
		return savedSYN(fd, s)
	}
	// The kernel accepts such a source only from this host, but may name the
	// interface that has the address.
	if s.Addr().IsLoopback() || s.Addr() == s.Local.Addr() {
		s.Interface = Loopback
		return nil
	}
	s.MAC, _ = neighbour(s.Index, s.Addr()) // zero if there is none
	return nil
}

// savedSYN completes s by the SYN that the kernel kept. This host's own packets
// to one of its addresses seem to come by the interface that has the address;
// their Ethernet header, which the loopback interface makes, is without MACs.
func savedSYN(fd int, s *Source) error {
	var buf [256]byte // Ethernet 14, IPv6 40, TCP at most 60; more for extension headers
	size, err := getsockopt(fd, unix.SOL_TCP, unix.TCP_SAVED_SYN, buf[:])
	if err != nil {
		return fmt.Errorf("SYN of a connection: %w", err)
	}
	if size == 0 {
		return ErrNoSYN
	}
	header, err := parseSYN(buf[:size], s.Remote, s.Local)
	if err != nil {
		return err
	}
	if header.ethernet && header.destination.IsZero() && header.source.IsZero() {
		s.Interface = Loopback
		return nil
	}
	if s.Interface == Loopback {
		return errors.New("a connection by the loopback interface has an Ethernet address")
	}
	s.MAC = header.source
	return nil
}

func address(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
