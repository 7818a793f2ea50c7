package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// segment is what a packet of a TCP stream carries on Ethernet.
const segment = 1448

// stream is one TCP connection. Linux carries up to 64 KB of it through a bridge
// in one piece, as it does for guests with virtio.
type stream struct {
	listener net.Listener
	conn     net.Conn
	received atomic.Uint64
	reading  sync.WaitGroup
}

func newStream() (load, error) {
	s := &stream{}
	target := net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr4(1), 5002))
	err := within(spaces[1], func() (err error) {
		s.listener, err = net.ListenTCP("tcp4", target)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.reading.Go(s.receive)
	err = within(spaces[0], func() (err error) {
		s.conn, err = net.DialTCP("tcp4", nil, target)
		return err
	})
	return s, err
}

func (s *stream) receive() {
	conn, err := s.listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	buffer := make([]byte, 1<<17)
	for {
		n, err := conn.Read(buffer)
		s.received.Add(uint64(n))
		if err != nil {
			return
		}
	}
}

func (s *stream) close() {
	_ = s.conn.Close()
	_ = s.listener.Close()
	s.reading.Wait()
}

func (s *stream) slice() (rate, cost float64, err error) {
	buffer := make([]byte, 1<<17)
	before, began, cpu := s.received.Load(), time.Now(), processTime()
	for time.Since(began) < *slice {
		if _, err := s.conn.Write(buffer); err != nil {
			return 0, 0, err
		}
	}
	took, spent := time.Since(began), processTime()-cpu
	packets := float64(s.received.Load()-before) / segment
	if packets == 0 {
		return 0, 0, fmt.Errorf("nothing came through: %w", io.ErrUnexpectedEOF)
	}
	return packets / took.Seconds(), float64(spent.Nanoseconds()) / packets, nil
}

func processTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}
