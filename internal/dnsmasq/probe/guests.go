package probe

import (
	"context"
	"net/netip"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/nameserver"
)

// UnknownName returns the first name of a guest that lacks an address, if there is
// one.
func UnknownName(ctx context.Context, server *nameserver.Client, entries []content.Entry) (string, error) {
	for _, e := range entries {
		if ok, err := Known(ctx, server, e); err != nil {
			return "", err
		} else if !ok {
			return e.Names[0], nil
		}
	}
	return "", nil
}

// Known reports whether a guest's first name has its addresses.
func Known(ctx context.Context, server *nameserver.Client, e content.Entry) (bool, error) {
	if len(e.Names) == 0 {
		return true, nil
	}
	for _, addr := range []netip.Addr{e.Lease.Addr, e.Lease6.Addr} {
		if !addr.IsValid() {
			continue
		}
		if ok, err := server.Has(ctx, e.Names[0], addr); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
