package portsecurity

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
)

// TestHostOf checks that a host has its interfaces, each with its bridge, and the
// addresses of bridges only.
func TestHostOf(t *testing.T) {
	at := func(index int, name string, master int, mac ...byte) netlink.LinkAttrs {
		return netlink.LinkAttrs{Index: index, Name: name, MasterIndex: master, HardwareAddr: mac}
	}
	links := []netlink.Link{
		&netlink.Tuntap{LinkAttrs: at(4, "vnet1", 3, 0xfe, 0, 0, 0, 0, 1)}, // before its bridge
		&netlink.Bridge{LinkAttrs: at(3, "br-mds", 0, 2, 0, 0, 0, 0, 3)},
		&netlink.Device{LinkAttrs: at(5, "eth0", 3, 2, 0, 0, 0, 0, 5)},
		&netlink.GenericLink{LinkAttrs: at(6, "tap0", 0, 2, 0, 0, 0, 0, 6), LinkType: "tun"},
		&netlink.Device{LinkAttrs: at(7, "ib0", 0, 1, 2, 3, 4, 5, 6, 7, 8)}, // its address is too long for a MAC
	}
	addr := func(index int, text string) netlink.Addr {
		ip := net.ParseIP(text)
		return netlink.Addr{LinkIndex: index, IPNet: &net.IPNet{IP: ip}}
	}
	got := hostOf(links, []netlink.Addr{addr(3, "10.122.0.1"), addr(5, "192.0.2.5"), addr(3, "fe80::1"), {LinkIndex: 3, IPNet: &net.IPNet{}}})
	want := plan.Host{
		Links: []plan.Link{
			{Name: "vnet1", Index: 4, Bridge: "br-mds", MAC: instance.MAC{0xfe, 5: 1}, Tap: true},
			{Name: "br-mds", Index: 3, MAC: instance.MAC{2, 5: 3}},
			{Name: "eth0", Index: 5, Bridge: "br-mds", MAC: instance.MAC{2, 5: 5}},
			{Name: "tap0", Index: 6, MAC: instance.MAC{2, 5: 6}, Tap: true},
			{Name: "ib0", Index: 7},
		},
		Addrs: map[string][]netip.Addr{"br-mds": {netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fe80::1")}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLearnOptions checks that the kernel gets a value and a mask, in this machine's byte
// order.
func TestLearnOptions(t *testing.T) {
	for learn, want := range map[bool][2]uint32{true: {0, 1}, false: {1, 1}} {
		got := learnOptions(learn)
		if len(got) != 8 || [2]uint32{binary.NativeEndian.Uint32(got), binary.NativeEndian.Uint32(got[4:])} != want {
			t.Errorf("learn %v: %x, want %v", learn, got, want)
		}
	}
}
