package portsecurity

import (
	"context"
	"fmt"
	"net/netip"

	rtnetlink "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/rtnl"
)

// look reads the interfaces of this host, and the addresses of its bridges.
func look() (plan.Host, error) {
	links, err := rtnl.Links()
	if err != nil {
		return plan.Host{}, fmt.Errorf("interfaces of this host: %w", err)
	}
	addrs, err := rtnl.Addrs(netlink.FAMILY_ALL)
	if err != nil {
		return plan.Host{}, fmt.Errorf("addresses of this host: %w", err)
	}
	return hostOf(links, addrs), nil
}

// hostOf returns a host with these interfaces and addresses.
func hostOf(links []netlink.Link, addrs []netlink.Addr) plan.Host {
	names := map[int]string{}
	bridges := map[int]bool{}
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
		bridges[link.Attrs().Index] = link.Type() == "bridge"
	}
	host := plan.Host{Addrs: map[string][]netip.Addr{}}
	for _, link := range links {
		at := link.Attrs()
		one := plan.Link{Name: at.Name, Index: uint32(at.Index), Bridge: names[at.MasterIndex], Tap: link.Type() == "tuntap" || link.Type() == "tun"}
		if len(at.HardwareAddr) == len(instance.MAC{}) {
			one.MAC = instance.MAC(at.HardwareAddr)
		}
		host.Links = append(host.Links, one)
	}
	for _, a := range addrs {
		if addr, ok := netip.AddrFromSlice(a.IP); ok && bridges[a.LinkIndex] {
			name := names[a.LinkIndex]
			host.Addrs[name] = append(host.Addrs[name], addr.Unmap())
		}
	}
	return host
}

// watch calls stir whenever an interface or an address of this host comes, goes
// or changes, until ctx ends. It ends early with an error if the kernel has lost
// messages.
func watch(ctx context.Context, stir func()) error {
	conn, err := rtnetlink.Dial(unix.NETLINK_ROUTE, &rtnetlink.Config{
		Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
	})
	if err != nil {
		return fmt.Errorf("news of interfaces: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	for {
		if _, err := conn.Receive(); err != nil {
			return fmt.Errorf("news of interfaces: %w", err)
		}
		stir()
	}
}
