package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// build makes the bridge and two guests on it, each in a namespace of its own.
func build() error {
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}}
	if err := errors.Join(netlink.LinkAdd(br), netlink.LinkSetUp(br)); err != nil {
		return err
	}
	for i := range 2 {
		ns, err := newNamespace()
		if err != nil {
			return err
		}
		spaces[i] = ns
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprint("vnet", i), MasterIndex: br.Index},
			PeerName: "eth0", PeerHardwareAddr: hw(i), PeerNamespace: netlink.NsFd(ns)}
		err = errors.Join(netlink.LinkAdd(veth), netlink.LinkSetUp(veth), within(ns, func() error { return configure(i) }))
		if err != nil {
			return err
		}
	}
	return nil
}

var spaces [2]netns.NsHandle

func hw(i int) net.HardwareAddr { mac := macOf(i); return net.HardwareAddr(mac[:]) }

// configure gives a guest its addresses, and those of its peer.
func configure(i int) error {
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	errs := []error{netlink.LinkSetUp(eth0)}
	for _, a := range []func(int) netip.Addr{addr4, addr6} {
		own, other := a(i), a(1-i)
		prefix := &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(own.BitLen()-16, own.BitLen())}
		errs = append(errs, netlink.AddrAdd(eth0, &netlink.Addr{IPNet: prefix, Flags: unix.IFA_F_NODAD}),
			netlink.NeighSet(&netlink.Neigh{LinkIndex: eth0.Attrs().Index, IP: other.AsSlice(), HardwareAddr: hw(1 - i), State: netlink.NUD_PERMANENT}))
	}
	return errors.Join(errs...)
}

func newNamespace() (netns.NsHandle, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return 0, err
	}
	defer home.Close()
	ns, err := netns.New()
	return ns, errors.Join(err, netns.Set(home))
}

func within(ns netns.NsHandle, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := netns.Set(ns); err != nil {
		return err
	}
	return errors.Join(f(), netns.Set(home))
}
