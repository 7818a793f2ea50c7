package ingress

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"

	"mdserver/internal/instance"
)

// neighbourKey is an address on a link.
type neighbourKey struct {
	index int
	addr  netip.Addr
}

// pins are the entries of the neighbour table that senders cannot change for now,
// with the number of connections that need each.
type pins struct {
	mu   sync.Mutex
	held map[neighbourKey]int
}

// Pin sends all packets for the other end of a connection to the MAC that opened
// it, until release is called. Otherwise a neighbour that claims the address
// meanwhile would get the answers. It needs CAP_NET_ADMIN.
func (k *Kernel) Pin(s Source) (release func(), err error) {
	key := neighbourKey{s.Index, s.Addr().WithZone("")}
	k.pins.mu.Lock()
	defer k.pins.mu.Unlock()
	if err := setNeighbour(key, s.MAC, netlink.NUD_PERMANENT); err != nil {
		return nil, err
	}
	k.pins.hold(key)
	return func() { k.unpin(key, s.MAC) }, nil
}

func (k *Kernel) unpin(key neighbourKey, mac instance.MAC) {
	k.pins.mu.Lock()
	defer k.pins.mu.Unlock()
	if k.pins.letGo(key) {
		_ = setNeighbour(key, mac, netlink.NUD_STALE) // the link may be gone
	}
}

// hold counts a connection that needs an entry. The caller holds the lock.
func (p *pins) hold(key neighbourKey) {
	if p.held == nil {
		p.held = map[neighbourKey]int{}
	}
	p.held[key]++
}

// letGo stops counting a connection, and reports whether it was the last one.
func (p *pins) letGo(key neighbourKey) (last bool) {
	if p.held[key]--; p.held[key] > 0 {
		return false
	}
	delete(p.held, key)
	return true
}

func setNeighbour(key neighbourKey, mac instance.MAC, state int) error {
	err := netlink.NeighSet(&netlink.Neigh{
		LinkIndex: key.index, IP: key.addr.AsSlice(), HardwareAddr: mac[:], State: state,
	})
	if err != nil {
		return fmt.Errorf("neighbour table: entry of %s: %w", key.addr, err)
	}
	return nil
}
