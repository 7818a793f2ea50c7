package probe

import (
	"context"
	"net/netip"
	"slices"

	"golang.org/x/net/dns/dnsmessage"

	"mdserver/internal/dhcprelease"
	"mdserver/internal/dnsmasq/content"
)

// Release makes dnsmasq forget leases whose guests are gone or have
// moved, by the DHCPRELEASE that the guests never sent. Otherwise it would
// refuse the address to its next owner until the lease has run out, and keep
// serving the old owner's name. A lease that does not exist is no harm.
//
// dnsmasq takes one DHCP message and then answers DNS in turn, so the answer
// to a query that was sent after the release follows it by one round.
func (s Server) Release(ctx context.Context, leases []content.Binding) error {
	return release(ctx, s.Dial, serverID(s.Settings, interfaceAddrs(s.Interface)), leases)
}

func release(ctx context.Context, dial dialer, server netip.Addr, leases []content.Binding) error {
	if len(leases) == 0 {
		return nil
	}
	p, err := dial(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	for _, lease := range leases {
		if err := dhcprelease.Send(ctx, server, lease.MAC, lease.Addr); err != nil {
			return err
		}
		if _, err := p.Ask(ctx, content.LiveName, dnsmessage.TypeAAAA); err != nil {
			return err
		}
	}
	_, err = p.Ask(ctx, content.LiveName, dnsmessage.TypeAAAA)
	return err
}

// serverID identifies dnsmasq to its DHCP clients: the address of its interface
// within the network. local are the addresses of that interface.
func serverID(s content.Settings, local []netip.Addr) netip.Addr {
	if i := slices.IndexFunc(local, s.Network.Contains); i >= 0 && !slices.Contains(local, s.Gateway) {
		return local[i]
	}
	return s.Gateway
}
