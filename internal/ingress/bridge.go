package ingress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
)

// place is a key of forwarding tables. The VLAN is 0 where a bridge filters none.
type place struct {
	bridge int
	vlan   uint16
	mac    instance.MAC
}

// bridgeSocket asks for one entry at a time, so the size of the table does not
// matter.
// Source: rtnl_fdb_get in Linux's net/core/rtnetlink.c, since 5.0.
type bridgeSocket struct {
	mu  sync.Mutex
	fd  int
	seq uint32
}

// answerTime bounds how long the kernel may take to answer.
var answerTime = unix.Timeval{Sec: 2}

func openBridgeSocket() (*bridgeSocket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("rtnetlink: %w", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &answerTime); err != nil {
		return nil, errors.Join(fmt.Errorf("rtnetlink: %w", err), unix.Close(fd))
	}
	return &bridgeSocket{fd: fd}, nil
}

func (s *bridgeSocket) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return unix.Close(s.fd)
}

// lookup gives the index of the port. Errors: ENOENT for no entry, EOPNOTSUPP
// for what is no bridge.
func (s *bridgeSocket) lookup(at place) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	if err := unix.Sendto(s.fd, at.request(s.seq), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	var buf [1024]byte
	for {
		n, from, err := unix.Recvfrom(s.fd, buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
			continue
		}
		if index, found, err := answerTo(s.seq, buf[:n]); found || err != nil {
			return index, err
		}
	}
}

// answerTo finds the answer to a request in what the kernel sent. A late answer to an
// earlier request may come first.
func answerTo(seq uint32, data []byte) (index int, found bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return 0, false, err
	}
	for _, m := range messages {
		if m.Header.Seq == seq {
			index, err = portOf(m)
			return index, true, err
		}
	}
	return 0, false, nil
}

// portOf reads the answer to a request.
func portOf(m syscall.NetlinkMessage) (int, error) {
	switch {
	case m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4:
		return 0, unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
	case m.Header.Type == unix.RTM_NEWNEIGH && len(m.Data) >= unix.SizeofNdMsg:
		return int(binary.NativeEndian.Uint32(m.Data[4:])), nil
	}
	return 0, fmt.Errorf("rtnetlink: an answer of type %d", m.Header.Type)
}

// request is a whole netlink message that asks for the entry.
func (p place) request(seq uint32) []byte {
	e := binary.NativeEndian
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofNdMsg, 64)
	e.PutUint16(b[4:], unix.RTM_GETNEIGH)
	e.PutUint16(b[6:], unix.NLM_F_REQUEST)
	e.PutUint32(b[8:], seq)
	b[unix.SizeofNlMsghdr] = unix.AF_BRIDGE
	b = appendAttribute(b, netlink.NDA_LLADDR, p.mac[:])
	b = appendAttribute(b, netlink.NDA_MASTER, e.AppendUint32(nil, uint32(p.bridge)))
	if p.vlan != 0 {
		b = appendAttribute(b, netlink.NDA_VLAN, e.AppendUint16(nil, p.vlan))
	}
	e.PutUint32(b, uint32(len(b)))
	return b
}

func appendAttribute(b []byte, kind int, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, uint16(kind))
	b = append(b, value...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}
