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
	if k.pins.held == nil {
		k.pins.held = map[neighbourKey]int{}
	}
	k.pins.held[key]++
	return func() { k.unpin(key, s.MAC) }, nil
}

func (k *Kernel) unpin(key neighbourKey, mac instance.MAC) {
	k.pins.mu.Lock()
	defer k.pins.mu.Unlock()
	if k.pins.held[key]--; k.pins.held[key] > 0 {
		return
	}
	delete(k.pins.held, key)
	_ = setNeighbour(key, mac, netlink.NUD_STALE) // the link may be gone
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
