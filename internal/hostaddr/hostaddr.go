// Package hostaddr tells which addresses the interfaces of this host have.
package hostaddr

import (
	"net"
	"net/netip"
	"slices"
)

// All returns every address of this host. It returns none if the kernel does not
// answer.
func All() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			addrs = append(addrs, prefix.Addr())
		}
	}
	return addrs
}

// Has reports whether an interface of this host has an address.
func Has(addr netip.Addr) bool { return slices.Contains(All(), addr) }
