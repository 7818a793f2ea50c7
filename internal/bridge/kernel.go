package bridge

import (
	"github.com/vishvananda/netlink"

	"mdserver/internal/rtnl"
)

// kernel is what a Reconciler asks of a host's kernel.
type kernel interface {
	addrs() ([]netlink.Addr, error)
	linkByName(name string) (netlink.Link, error)
	linkByIndex(index int) (netlink.Link, error)
	add(link netlink.Link, addr *netlink.Addr) error
	del(link netlink.Link, addr *netlink.Addr) error
}

// thisHost is the kernel of this host.
type thisHost struct{}

func (thisHost) addrs() ([]netlink.Addr, error)                  { return rtnl.Addrs(netlink.FAMILY_ALL) }
func (thisHost) linkByName(name string) (netlink.Link, error)    { return netlink.LinkByName(name) }
func (thisHost) linkByIndex(index int) (netlink.Link, error)     { return netlink.LinkByIndex(index) }
func (thisHost) add(link netlink.Link, addr *netlink.Addr) error { return netlink.AddrAdd(link, addr) }
func (thisHost) del(link netlink.Link, addr *netlink.Addr) error { return netlink.AddrDel(link, addr) }
