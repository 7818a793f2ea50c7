// Package wire makes hosts out of frames, so that a test can say on a network
// what no honest kernel would.
//
// A [Link] is an interface in a lab's namespace. A [Host] answers for its address
// and speaks TCP there, with whatever addresses and tags it is told to use.
package wire

import (
	"errors"
	"fmt"
	"net"
	"time"

	"mdserver/test/lab"
)

// Link sends and receives whole frames on an interface.
type Link struct {
	*lab.Wire
	// MAC is the interface's own, Index its number in its namespace.
	MAC   net.HardwareAddr
	Index int
}

// Open opens an interface of a namespace. The caller closes it.
func Open(n *lab.Namespace, dev string) (*Link, error) {
	l := &Link{}
	err := n.Do(func() error {
		nic, err := net.InterfaceByName(dev)
		if err == nil {
			l.MAC, l.Index = nic.HardwareAddr, nic.Index
		}
		return err
	})
	var openErr error
	l.Wire, openErr = n.OpenWire(dev)
	if err := errors.Join(err, openErr); err != nil {
		return nil, fmt.Errorf("opening a link: %w", err)
	}
	return l, nil
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
