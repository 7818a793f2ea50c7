package portsecurity

import (
	"testing"

	"github.com/vishvananda/netlink"

	"mdserver/internal/roottest"
)

// TestControlMasks sets the mask of a bridge's port and reads it. An interface that is no
// port has none, and one that is gone needs none.
func TestControlMasks(t *testing.T) {
	roottest.Need(t, "makes bridges")
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-mds"}}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "vnet1"}, PeerName: "wire"}
	must(t, netlink.LinkAdd(bridge))
	defer netlink.LinkDel(bridge)
	must(t, netlink.LinkAdd(veth))
	defer netlink.LinkDel(veth)
	far, err := netlink.LinkByName("wire")
	must(t, err)
	must(t, netlink.LinkSetMaster(veth, bridge))
	port, noPort := uint32(veth.Index), uint32(far.Attrs().Index)
	for _, mask := range []uint16{0, likeOthers, 0x4000, 0} {
		must(t, setControlMask(port, mask))
		got, err := controlMasks()
		if at, ok := got[port]; err != nil || !ok || at != mask {
			t.Errorf("after %04x, the masks are %x, %v", mask, got, err)
		}
		if _, ok := got[noPort]; ok {
			t.Errorf("an interface that is no port has the mask %x", got[noPort])
		}
	}
	if err := setControlMask(noPort, likeOthers); err == nil {
		t.Error("an interface that is no port got a mask")
	}
	if err := setControlMask(1<<20, likeOthers); err != nil {
		t.Errorf("a port that is gone: %v", err)
	}
}
