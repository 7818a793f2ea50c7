// Package caller tells who sent a request: the guest that owns the source
// address, somebody on this host, or a stranger.
package caller

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"mdserver/internal/instance"
)

// Guests finds the guest that owns an address.
type Guests interface {
	ByAddr(netip.Addr) (*instance.Instance, bool)
}

// GuestsByMAC are Guests that can be found by MAC, too.
type GuestsByMAC interface {
	ByMAC(instance.MAC) (*instance.Instance, bool)
}

type macKey struct{}

// WithMAC says which MAC the sender of a connection has. It is for senders with
// a link-local address, which no guest is known by.
func WithMAC(ctx context.Context, mac instance.MAC) context.Context {
	return context.WithValue(ctx, macKey{}, mac)
}

// Caller is the sender of one request.
type Caller struct {
	Addr  netip.Addr
	Guest *instance.Instance // nil when no guest owns the address
}

// Identify finds out who sent a request from remote, an "address:port" as
// http.Request.RemoteAddr has it. Headers such as X-Forwarded-For are not
// asked: a guest could write there what it likes. The context is the request's.
func Identify(ctx context.Context, remote string, guests Guests) (Caller, error) {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return Caller{}, fmt.Errorf("client address %q: %w", remote, err)
	}
	addr := ap.Addr().Unmap()
	c := Caller{Addr: addr}
	if guest, ok := guests.ByAddr(addr.WithZone("")); ok {
		c.Guest = guest
	} else if addr.IsLinkLocalUnicast() {
		c.Guest = byMAC(ctx, guests)
	}
	return c, nil
}

func byMAC(ctx context.Context, guests Guests) *instance.Instance {
	mac, known := ctx.Value(macKey{}).(instance.MAC)
	if all, ok := guests.(GuestsByMAC); ok && known {
		if guest, ok := all.ByMAC(mac); ok {
			return guest
		}
	}
	return nil
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
