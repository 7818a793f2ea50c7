package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Port is the guest's end in the host's bridge, as libvirt's <target dev> names it.
func (g *Guest) Port() string { return g.port }

// Wire is an interface on which frames are sent and seen as they are.
type Wire struct {
	file *os.File
}

// OpenWire opens an interface of the namespace. The caller closes it.
func (n *Namespace) OpenWire(dev string) (*Wire, error) {
	w := &Wire{}
	err := n.Do(func() error {
		nic, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		everything := htons(unix.ETH_P_ALL)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(everything))
		if err != nil {
			return err
		}
		w.file = os.NewFile(uintptr(fd), dev)
		all := &unix.PacketMreq{Ifindex: int32(nic.Index), Type: unix.PACKET_MR_PROMISC}
		return errors.Join(
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: nic.Index}),
			unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, all),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20))
	})
	if err != nil {
		return nil, fmt.Errorf("opening %s in %s: %w", dev, n.Name, err)
	}
	return w, nil
}

// Close closes the wire.
func (w *Wire) Close() error { return w.file.Close() }

// Send puts one frame, with its Ethernet header, on the wire.
func (w *Wire) Send(frame []byte) error {
	_, err := w.file.Write(frame)
	return err
}

// Receive returns the next frame that comes in. After the deadline, the error is
// [os.ErrDeadlineExceeded].
func (w *Wire) Receive(deadline time.Time) ([]byte, error) {
	if err := w.file.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	buffer := make([]byte, 1<<16)
	n, err := w.file.Read(buffer)
	return buffer[:n], err
}

// Passes sends a frame by one wire and tells whether it comes out at another.
// sentinel makes a frame that is known to pass, with this mark in it: when it
// arrives, what was sent before it has arrived, too, or was dropped.
func Passes(ctx context.Context, from, to *Wire, frame []byte, sentinel func(mark string) []byte) (bool, error) {
	mark := rand.Text()
	if err := errors.Join(from.Send(frame), from.Send(sentinel(mark))); err != nil {
		return false, err
	}
	if err := to.file.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return false, err
	}
	passed, buffer := false, make([]byte, 1<<16)
	for ctx.Err() == nil {
		n, err := to.file.Read(buffer)
		if err != nil {
			return false, fmt.Errorf("waiting for the sentinel: %w", err)
		}
		passed = passed || bytes.Contains(buffer[:n], body(frame))
		if bytes.Contains(buffer[:n], []byte(mark)) {
			return passed, nil
		}
	}
	return false, ctx.Err()
}

// body is a frame without its Ethernet header and VLAN tags, which the kernel
// keeps apart.
func body(frame []byte) []byte {
	at := 12
	for {
		switch binary.BigEndian.Uint16(frame[at:]) {
		case EtherVLAN, EtherQinQ:
			at += 4
		default:
			return frame[at+2:]
		}
	}
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }
