// Package dhcprelease speaks for guests that are gone: it sends the DHCPRELEASE
// that they never sent, so that a DHCP server on this host forgets their leases.
package dhcprelease

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"mdserver/internal/instance"
)

const (
	dhcpPort = 67
	// minBOOTP is the least size of a BOOTP message (RFC 951, 3).
	minBOOTP = 300
	// dhcpCookie precedes the options (RFC 2131, 3).
	dhcpCookie = "\x63\x82\x53\x63"
)

// Send asks the server to forget the lease of mac on addr. There is no answer
// to wait for; a lease that does not exist is no harm.
func Send(ctx context.Context, server netip.Addr, mac instance.MAC, addr netip.Addr) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", netip.AddrPortFrom(server, dhcpPort).String())
	if err != nil {
		return fmt.Errorf("releasing the lease of %v: %w", addr, err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(Message(server, mac, addr)); err != nil {
		return fmt.Errorf("releasing the lease of %v: %w", addr, err)
	}
	return nil
}

// Message is a DHCPRELEASE (RFC 2131, 4.4.6).
func Message(server netip.Addr, mac instance.MAC, addr netip.Addr) []byte {
	const (
		bootRequest, ethernet           = 1, 1
		atCiaddr, atChaddr, atOptions   = 12, 28, 236
		optType, typeRelease, optServer = 53, 7, 54
		optEnd                          = 255
	)
	m := make([]byte, atOptions, minBOOTP)
	m[0], m[1], m[2] = bootRequest, ethernet, byte(len(mac))
	copy(m[atCiaddr:], addr.AsSlice())
	copy(m[atChaddr:], mac[:])
	m = append(m, dhcpCookie...)
	m = append(m, optType, 1, typeRelease, optServer, 4)
	m = append(m, server.AsSlice()...)
	m = append(m, optEnd)
	return m[:minBOOTP]
}
