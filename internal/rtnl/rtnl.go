// Package rtnl asks the kernel for whole lists of interfaces and their kin.
package rtnl

import (
	"errors"

	"github.com/vishvananda/netlink"
)

const attempts = 20

// Whole calls list until it returns a list that did not change while the kernel
// sent it. A list of some dozens of interfaces comes in parts, and a guest that
// starts in between makes it incomplete. Errors: those of list, and
// netlink.ErrDumpInterrupted if each of 20 lists changed.
func Whole[T any](list func() (T, error)) (all T, err error) {
	for range attempts {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

// Links lists the interfaces of this host.
func Links() ([]netlink.Link, error) { return Whole(netlink.LinkList) }

// Addrs lists the addresses of this host of a family, such as
// netlink.FAMILY_ALL.
func Addrs(family int) ([]netlink.Addr, error) {
	return Whole(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, family) })
}
