package dnsmasq

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dhcpPort = 67
	// minBOOTP is the least size of a BOOTP message (RFC 951, 3).
	minBOOTP = 300
	// dhcpCookie precedes the options (RFC 2131, 3).
	dhcpCookie = "\x63\x82\x53\x63"
)

// releaseLeases makes dnsmasq forget leases whose guests are gone or have
// moved, by the DHCPRELEASE that the guests never sent. Otherwise it would
// refuse the address to its next owner until the lease has run out, and keep
// serving the old owner's name. A lease that does not exist is no harm.
//
// dnsmasq takes one DHCP message and then answers DNS in turn, so the answer
// to a query that was sent after the release follows it by one round.
func (s Settings) releaseLeases(ctx context.Context, leases []binding) error {
	if len(leases) == 0 {
		return nil
	}
	server := s.serverID()
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", netip.AddrPortFrom(server, dhcpPort).String())
	if err != nil {
		return fmt.Errorf("releasing leases: %w", err)
	}
	defer func() { _ = conn.Close() }()
	p, err := s.newProber(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	for _, lease := range leases {
		if _, err := conn.Write(releaseMessage(lease, server)); err != nil {
			return fmt.Errorf("releasing the lease of %v: %w", lease.addr, err)
		}
		if _, err := p.ask(ctx, liveName, dnsmessage.TypeAAAA); err != nil {
			return err
		}
	}
	_, err = p.ask(ctx, liveName, dnsmessage.TypeAAAA)
	return err
}

// serverID is by what name dnsmasq goes among its DHCP clients: the address
// of its interface within the network.
func (s Settings) serverID() netip.Addr {
	local := interfaceAddrs(s.Interface)
	if i := slices.IndexFunc(local, s.Network.Contains); i >= 0 && !slices.Contains(local, s.Gateway) {
		return local[i]
	}
	return s.Gateway
}

// releaseMessage is a DHCPRELEASE (RFC 2131, 4.4.6).
func releaseMessage(lease binding, server netip.Addr) []byte {
	const (
		bootRequest, ethernet           = 1, 1
		atCiaddr, atChaddr, atOptions   = 12, 28, 236
		optType, typeRelease, optServer = 53, 7, 54
		optEnd                          = 255
	)
	m := make([]byte, atOptions, minBOOTP)
	m[0], m[1], m[2] = bootRequest, ethernet, byte(len(lease.mac))
	copy(m[atCiaddr:], lease.addr.AsSlice())
	copy(m[atChaddr:], lease.mac[:])
	m = append(m, dhcpCookie...)
	m = append(m, optType, 1, typeRelease, optServer, 4)
	m = append(m, server.AsSlice()...)
	m = append(m, optEnd)
	return m[:minBOOTP]
}
