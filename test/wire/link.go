// Package wire sends and receives raw Ethernet frames, so that a test can say
// on a network what no honest kernel would.
//
// A [Link] is an interface in a lab's namespace. A [Host] is a host made of
// frames alone: it answers for its address and speaks TCP, with whatever
// addresses and tags it is told to use.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Entered runs a function inside a network namespace, as lab.Namespace does.
type Entered interface{ Do(func() error) error }

// Link sends and receives whole frames on an interface.
type Link struct {
	// MAC is the interface's own, Index its number in its namespace.
	MAC   net.HardwareAddr
	Index int

	file *os.File
}

// Open opens an interface of a namespace. The caller closes it.
func Open(n Entered, dev string) (*Link, error) {
	l := &Link{}
	err := n.Do(func() error {
		nic, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		l.MAC, l.Index = nic.HardwareAddr, nic.Index
		l.file, err = packetSocket(nic.Index)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening %s for raw frames: %w", dev, err)
	}
	return l, nil
}

// packetSocket hears all that comes in, of any protocol. Source: packet(7).
func packetSocket(index int) (*os.File, error) {
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}))
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}

// Close closes the link.
func (l *Link) Close() error { return l.file.Close() }

// Send puts a frame on the wire as it is.
func (l *Link) Send(frame []byte) error {
	_, err := l.file.Write(frame)
	return err
}

// Receive returns the next frame. After the deadline, the error is
// [os.ErrDeadlineExceeded].
func (l *Link) Receive(deadline time.Time) ([]byte, error) {
	if err := l.file.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<16)
	n, err := l.file.Read(buf)
	return buf[:n], err
}

// Hear collects frames for a time and calls f with each until it says that it
// has heard enough. It reports whether f did.
func (l *Link) Hear(d time.Duration, f func(frame []byte) bool) bool {
	deadline := time.Now().Add(d)
	for {
		frame, err := l.Receive(deadline)
		if err != nil {
			return false
		}
		if f(frame) {
			return true
		}
	}
}
