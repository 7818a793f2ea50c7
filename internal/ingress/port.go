package ingress

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
	"mdserver/internal/rtnl"
)

// ErrNoPort means that the bridge does not know the port of a MAC.
var ErrNoPort = errors.New("the bridge has no port for the sender's MAC")

// Port is where a connection entered this host.
type Port struct {
	Index int
	Name  string       // such as vnet3
	MAC   instance.MAC // of the port itself, which follows from the guest's for libvirt's taps
	// Bridged: it is a port of the connection's bridge, and not that interface
	// itself.
	Bridged bool
	// Contested: the MAC was at another port, too, while the connection was made,
	// so it may have entered there.
	Contested bool
}

// Port asks the bridge for the port of a connection's Ethernet source. A bridge
// learns that from frames, so another guest can change it for a moment; see
// Port.Contested. If the connection did not come through a bridge, the port is its
// interface. Errors: ErrNoPort, and those of the kernel.
func (k *Kernel) Port(tcp *net.TCPConn, s Source) (Port, error) {
	self := Port{Index: s.Index, Name: s.Interface}
	if s.MAC.IsZero() {
		return self, nil
	}
	at := place{bridge: s.Index, mac: s.MAC}
	index, err := k.bridge.lookup(at)
	if errors.Is(err, unix.ENOENT) {
		index, err = k.portInVLAN(&at)
	}
	if errors.Is(err, unix.EOPNOTSUPP) { // no bridge; a bridge's VLAN, perhaps
		if index, err = k.portBelow(&at); errors.Is(err, unix.EOPNOTSUPP) {
			return self, nil
		}
	}
	if errors.Is(err, unix.ENOENT) {
		if learnsNothing(s.Interface) {
			return self, nil
		}
		return Port{}, ErrNoPort
	}
	if err != nil {
		return Port{}, fmt.Errorf("forwarding table of %s: %w", s.Interface, err)
	}
	port := Port{Index: index, Bridged: true, Contested: k.moves.during(tcp, at)}
	if port.Name, err = interfaceName(k.bridge.fd, index); err != nil {
		return Port{}, err
	}
	port.MAC, err = hardwareAddress(k.bridge.fd, port.Name)
	return port, err
}

// portInVLAN asks a bridge that filters VLANs, which has an entry for each VLAN:
// what comes by the bridge itself is in one of the bridge's own.
func (k *Kernel) portInVLAN(at *place) (int, error) {
	vlans, err := k.vlans.of(at.bridge)
	if err != nil {
		return 0, err
	}
	for _, at.vlan = range vlans {
		if index, err := k.bridge.lookup(*at); !errors.Is(err, unix.ENOENT) {
			return index, err
		}
	}
	return 0, unix.ENOENT
}

// portBelow asks the bridge that a VLAN interface is on.
func (k *Kernel) portBelow(at *place) (int, error) {
	link, err := netlink.LinkByIndex(at.bridge)
	if err != nil {
		return 0, err
	}
	vlan, ok := link.(*netlink.Vlan)
	if !ok {
		return 0, unix.EOPNOTSUPP
	}
	at.bridge, at.vlan = vlan.ParentIndex, uint16(vlan.VlanId)
	index, err := k.bridge.lookup(*at)
	if errors.Is(err, unix.ENOENT) { // a bridge that filters no VLANs has one table
		at.vlan = 0
		return k.bridge.lookup(*at)
	}
	return index, err
}

// learnsNothing reports whether a bridge works as a hub: its entries age at once.
func learnsNothing(bridge string) bool {
	link, err := netlink.LinkByName(bridge)
	if err != nil {
		return false
	}
	b, ok := link.(*netlink.Bridge)
	return ok && b.AgeingTime != nil && *b.AgeingTime == 0
}

// vlanCache keeps the VLANs of bridges for a moment: the kernel lists those of all
// ports at once.
type vlanCache struct {
	mu   sync.Mutex
	read time.Time
	list map[int][]uint16
}

const vlansKept = time.Second

func (c *vlanCache) of(bridge int) ([]uint16, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.read) < vlansKept {
		return c.list[bridge], nil
	}
	all, err := rtnl.Whole(netlink.BridgeVlanList)
	if err != nil {
		return nil, fmt.Errorf("VLANs of bridges: %w", err)
	}
	c.read, c.list = time.Now(), map[int][]uint16{}
	for index, vlans := range all {
		for _, v := range vlans {
			c.list[int(index)] = append(c.list[int(index)], v.Vid)
		}
	}
	return c.list[bridge], nil
}

// Exists reports whether this host has an interface of that name.
func Exists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// MadeFor reports whether libvirt made the port for a guest with this MAC: it
// gives the tap the same address except for the first byte. Source:
// virNetDevTapCreateInBridgePort in libvirt's src/util/virnetdevtap.c.
func (p Port) MadeFor(mac instance.MAC) bool {
	return p.MAC[0]&0xf0 == 0xf0 && p.MAC[0] != mac[0] && [5]byte(p.MAC[1:]) == [5]byte(mac[1:])
}
