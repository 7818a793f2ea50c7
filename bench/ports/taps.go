package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// taps carry UDP packets from the third guest to the fourth. It sends and receives
// them as QEMU without vhost does: with a call for each frame.
type taps struct {
	from, to int
	frame    []byte
	buffer   []byte
}

func newTaps(size int) (load, error) {
	from, err := newTap("vnet2")
	if err != nil {
		return nil, err
	}
	to, err := newTap("vnet3")
	if err != nil {
		return nil, err
	}
	t := &taps{from: from, to: to, buffer: make([]byte, 1<<16)}
	back, err := udpFrame(3, 2, 0)
	if err != nil {
		return nil, err
	}
	if _, err := unix.Write(to, back); err != nil { // the bridge learns where it is
		return nil, err
	}
	t.frame, err = udpFrame(2, 3, size)
	return t, err
}

// newTap makes a tap on the bridge, which goes when it is closed.
func newTap(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return 0, fmt.Errorf("making the tap %s: %w", name, err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return 0, err
	}
	master, err := netlink.LinkByName(bridge)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(netlink.LinkSetMaster(link, master), netlink.LinkSetUp(link))
}

func udpFrame(from, to, size int) ([]byte, error) {
	ethernet := &layers.Ethernet{SrcMAC: hw(from), DstMAC: hw(to), EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: addr4(from).AsSlice(), DstIP: addr4(to).AsSlice()}
	udp := &layers.UDP{SrcPort: 40000, DstPort: 5001}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(buffer, options, ethernet, ip, udp, gopacket.Payload(make([]byte, size)))
	return buffer.Bytes(), err
}

func (t *taps) close() { _ = unix.Close(t.from); _ = unix.Close(t.to) }

func (t *taps) slice() (rate, cost float64, err error) {
	t.drain()
	n, began, cpu := 0, time.Now(), processTime()
	for time.Since(began) < *slice {
		for range batch {
			if _, err := unix.Write(t.from, t.frame); err != nil {
				return 0, 0, err
			}
		}
		n += t.drain()
	}
	took, spent := time.Since(began), processTime()-cpu
	if n == 0 {
		return 0, 0, errors.New("no packet came through")
	}
	return float64(n) / took.Seconds(), float64(spent.Nanoseconds()) / float64(n), nil
}

// drain reads what has come, and returns how many frames as sent there are.
func (t *taps) drain() int {
	frames := 0
	for {
		n, err := unix.Read(t.to, t.buffer)
		if err != nil {
			return frames
		}
		if n == len(t.frame) {
			frames++
		}
	}
}
