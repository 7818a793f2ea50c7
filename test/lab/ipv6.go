package lab

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// The addresses of the network by IPv6, as packaging/libvirt/mds-network.xml
// has them.
const (
	Network6          = "fd00:122::"
	Gateway6          = "fd00:122::1"
	MetadataAddr6     = "fd00:ec2::254"
	MetadataLinkLocal = "fe80::a9fe:a9fe"
)

//go:embed dhclient6.sh
var dhclient6Script []byte

// AddIPv6 gives the bridge its IPv6 addresses.
func (l *Lab) AddIPv6(ctx context.Context) error {
	for _, addr := range []string{Gateway6 + "/64", MetadataAddr6 + "/128", MetadataLinkLocal + "/64"} {
		if err := l.Host.IP(ctx, "-6", "addr", "add", addr, "dev", Bridge, "nodad"); err != nil {
			return err
		}
	}
	return nil
}

// StartDHCPv6 has dhclient ask for an IPv6 address and waits until the interface
// has it and a default route. It does nothing about IPv4.
func (g *Guest) StartDHCPv6(ctx context.Context) (netip.Addr, error) {
	script, err := g.lab.WriteFile("dhclient6.sh", string(dhclient6Script))
	if err != nil {
		return netip.Addr{}, err
	}
	if err := run(ctx, "chmod", "755", script); err != nil {
		return netip.Addr{}, err
	}
	if err := g.waitIPv6(ctx, "the link-local address", "addr", "show", "dev", g.dev, "scope", "link", "-tentative"); err != nil {
		return netip.Addr{}, err
	}
	lease, pid := g.lab.Path("dhclient6-"+g.Label+".leases"), g.lab.Path("dhclient6-"+g.Label+".pid")
	if _, err := g.Start("dhclient6-"+g.Label, nil, "dhclient", "-6", "-d", "-v", "-sf", script, "-lf", lease, "-pf", pid, g.dev); err != nil {
		return netip.Addr{}, err
	}
	if err := g.waitIPv6(ctx, "the address", "addr", "show", "dev", g.dev, "scope", "global"); err != nil {
		return netip.Addr{}, err
	}
	if err := g.waitIPv6(ctx, "the default route", "route", "show", "default"); err != nil {
		return netip.Addr{}, err
	}
	out, err := g.Output(ctx, "ip", "-6", "-brief", "addr", "show", "dev", g.dev, "scope", "global")
	if err != nil {
		return netip.Addr{}, err
	}
	fields := strings.Fields(out)
	prefix, err := netip.ParsePrefix(fields[len(fields)-1])
	return prefix.Addr(), err
}

// waitIPv6 waits until ip has something to show.
func (g *Guest) waitIPv6(ctx context.Context, what string, args ...string) error {
	return Poll(ctx, 30*time.Second, func(ctx context.Context) error {
		out, err := g.Output(ctx, "ip", append([]string{"-6"}, args...)...)
		if err == nil && strings.TrimSpace(out) == "" {
			err = fmt.Errorf("%s of %s is missing", what, g.Label)
		}
		return err
	})
}

// GetFrom fetches a path from the metadata server at one of its IPv6
// addresses.
func (g *Guest) GetFrom(ctx context.Context, addr, path string) (string, error) {
	host := "[" + addr + "]"
	if addr == MetadataLinkLocal {
		host = "[" + addr + "%25eth0]"
	}
	return g.Output(ctx, "curl", "--silent", "--show-error", "--fail", "--max-time", "10", "--globoff", "http://"+host+path)
}
