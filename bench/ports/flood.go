package main

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
)

// flood sends from the first guest to the second.
type flood struct {
	conn   *net.UDPConn
	sink   *net.UDPConn
	sender *ipv4.PacketConn // of either family: it only batches
	msgs   []ipv4.Message
	out    netlink.Link
}

func newFlood(family string, size int) (load, error) {
	address := addr4
	if family == "udp6" {
		address = addr6
	}
	f := &flood{}
	target := net.UDPAddrFromAddrPort(netip.AddrPortFrom(address(1), 5001))
	err := within(spaces[1], func() (err error) {
		f.sink, err = net.ListenUDP(family, target) // which keeps nothing, but answers no errors
		return err
	})
	if err != nil {
		return nil, err
	}
	err = within(spaces[0], func() (err error) {
		f.conn, err = net.DialUDP(family, nil, target)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.sender = ipv4.NewPacketConn(f.conn)
	for range batch {
		f.msgs = append(f.msgs, ipv4.Message{Buffers: [][]byte{make([]byte, size)}})
	}
	f.out, err = netlink.LinkByName("vnet1")
	return f, err
}

func (f *flood) close() { _ = f.conn.Close(); _ = f.sink.Close() }

// slice counts the sender's time alone: the kernel carries a packet all the way
// on it.
func (f *flood) slice() (rate, cost float64, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := f.sent()
	if err != nil {
		return 0, 0, err
	}
	began, cpu := time.Now(), threadTime()
	for time.Since(began) < *slice {
		for range 16 {
			if _, err := f.sender.WriteBatch(f.msgs, 0); err != nil {
				return 0, 0, err
			}
		}
	}
	took, spent := time.Since(began), threadTime()-cpu
	after, err := f.sent()
	if err != nil || after == before {
		return 0, 0, errors.Join(err, errors.New("no packet came through, take longer slices"))
	}
	n := float64(after - before)
	return n / took.Seconds(), float64(spent.Nanoseconds()) / n, nil
}

func (f *flood) sent() (uint64, error) {
	link, err := netlink.LinkByIndex(f.out.Attrs().Index)
	if err != nil {
		return 0, err
	}
	return link.Attrs().Statistics.TxPackets, nil
}
