package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrNoSender means that no process of this host has the other end of a
// connection open.
var ErrNoSender = errors.New("no process of this host has opened the connection")

// Sender is the user ID of the process that opened the other end of a TCP
// connection from this host, as this process's user namespace sees it: root of
// another user namespace is not 0. conn is a *net.TCPConn or wraps one.
//
// A connection whose other end is being closed has no sender: the kernel gives a
// socket without an owner the user ID 0.
func Sender(conn net.Conn) (uid uint32, err error) {
	local, remote := endpoint(conn.LocalAddr()), endpoint(conn.RemoteAddr())
	if uid, err = owner(remote, local); err != nil {
		return 0, err
	}
	// While this end is established, no other socket can have taken the
	// address and port of the other end.
	if err := established(conn); err != nil {
		return 0, err
	}
	return uid, nil
}

func endpoint(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// owner looks up the one socket with this address of its own and this one of
// its peer.
func owner(own, peer netip.AddrPort) (uid uint32, err error) {
	request, err := newRequest(own, peer)
	if err != nil {
		return 0, err
	}
	message := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, 0) // no NLM_F_DUMP: an exact lookup
	message.AddRawData(request)
	answers, err := message.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	switch {
	case errors.Is(err, unix.ENOENT):
		return 0, ErrNoSender
	case err != nil:
		return 0, fmt.Errorf("asking the kernel for the connection's owner: %w", err)
	case len(answers) != 1:
		return 0, fmt.Errorf("asking the kernel for the connection's owner: %d answers", len(answers))
	}
	socket, err := readAnswer(answers[0])
	if err != nil {
		return 0, err
	}
	return socket.owner(own, peer)
}

const (
	requestSize = 56 // struct inet_diag_req_v2
	answerSize  = 72 // struct inet_diag_msg
	noCookie    = ^uint64(0)
)

// newRequest is a struct inet_diag_req_v2.
func newRequest(own, peer netip.AddrPort) ([]byte, error) {
	if !own.IsValid() || !peer.IsValid() || own.Addr().Is4() != peer.Addr().Is4() {
		return nil, fmt.Errorf("no TCP connection of one family: %v to %v", own, peer)
	}
	family := byte(unix.AF_INET6)
	if own.Addr().Is4() {
		family = unix.AF_INET
	}
	r := make([]byte, requestSize)
	r[0], r[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(r[4:], ^uint32(0)) // in any state
	binary.BigEndian.PutUint16(r[8:], own.Port())
	binary.BigEndian.PutUint16(r[10:], peer.Port())
	copy(r[12:28], own.Addr().AsSlice())
	copy(r[28:44], peer.Addr().AsSlice())
	binary.NativeEndian.PutUint64(r[48:], noCookie)
	return r, nil
}

type answer struct {
	state      byte
	own, peer  netip.AddrPort
	uid, inode uint32
}

// owner is who has the socket, if it is the one with these addresses. The lookup may also
// find a listener, or a connection that is closing.
func (a answer) owner(own, peer netip.AddrPort) (uid uint32, err error) {
	if a.state != netlink.TCP_ESTABLISHED || a.inode == 0 || a.own != own || a.peer != peer {
		return 0, ErrNoSender
	}
	return a.uid, nil
}

// readAnswer reads a struct inet_diag_msg. An IPv4 connection of an IPv6 socket
// has mapped addresses there.
func readAnswer(data []byte) (answer, error) {
	if len(data) < answerSize {
		return answer{}, fmt.Errorf("the kernel's answer has %d bytes, want %d", len(data), answerSize)
	}
	addr := func(at int) netip.Addr {
		if data[0] == unix.AF_INET {
			return netip.AddrFrom4([4]byte(data[at : at+4]))
		}
		return netip.AddrFrom16([16]byte(data[at : at+16])).Unmap()
	}
	return answer{
		state: data[1],
		own:   netip.AddrPortFrom(addr(8), binary.BigEndian.Uint16(data[4:])),
		peer:  netip.AddrPortFrom(addr(24), binary.BigEndian.Uint16(data[6:])),
		uid:   binary.NativeEndian.Uint32(data[64:]),
		inode: binary.NativeEndian.Uint32(data[68:]),
	}, nil
}

// established tells whether this end of a connection has heard of no end yet.
func established(conn net.Conn) error {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a %T is not a TCP connection", conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var info *unix.TCPInfo
	controlErr := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err := errors.Join(controlErr, err); err != nil {
		return fmt.Errorf("asking the kernel for the state of a connection: %w", err)
	}
	if info.State != netlink.TCP_ESTABLISHED {
		return ErrNoSender
	}
	return nil
}
