// Package caller tells who sent a request: the guest that owns the source
// address, somebody on this host, or a stranger.
package caller

import (
	"fmt"
	"net"
	"net/netip"

	"mdserver/internal/instance"
)

// Guests finds the guest that owns an address.
type Guests interface {
	ByAddr(netip.Addr) (*instance.Instance, bool)
}

// Caller is the sender of one request.
type Caller struct {
	Addr  netip.Addr
	Guest *instance.Instance // nil when no guest owns the address
}

// Identify finds out who sent a request from remote, an "address:port" as
// http.Request.RemoteAddr has it. Headers such as X-Forwarded-For are not
// asked: a guest could write there what it likes.
func Identify(remote string, guests Guests) (Caller, error) {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return Caller{}, fmt.Errorf("client address %q: %w", remote, err)
	}
	addr := ap.Addr().Unmap()
	c := Caller{Addr: addr}
	if guest, ok := guests.ByAddr(addr.WithZone("")); ok {
		c.Guest = guest
	}
	return c, nil
}

// IsLocal reports whether the request came from this host: from a loopback
// address or one of the host's own, and not from the address of a guest.
func (c Caller) IsLocal() bool {
	if c.Guest != nil {
		return false
	}
	return c.Addr.IsLoopback() || isOwn(c.Addr)
}

// isOwn asks the kernel afresh: addresses come and go with networks.
func isOwn(addr netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr() == addr.WithZone("") {
			return true
		}
	}
	return false
}
