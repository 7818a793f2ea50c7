package lab

import (
	"context"
	"fmt"
	"net/netip"
)

// AddInner makes a namespace a hop further away, behind the guest, that sends
// from addr: a container on the guest's own network, as far as the metadata
// server can tell. The guest becomes a router; via is its own address then.
func (g *Guest) AddInner(ctx context.Context, label string, addr, via netip.Addr) (*Namespace, error) {
	inner, err := g.lab.addNamespace(ctx, label)
	if err != nil {
		return nil, err
	}
	steps := [][]string{
		{"-n", g.Name, "address", "add", via.String() + "/" + Prefix, "dev", "eth0"},
		{"-n", g.Name, "route", "add", MetadataAddr, "dev", "eth0"},
		{"-n", g.Name, "link", "add", "inner", "type", "veth", "peer", "name", "eth0", "netns", inner.Name},
		{"-n", g.Name, "link", "set", "inner", "up"},
		{"-n", g.Name, "route", "add", addr.String(), "dev", "inner"},
		{"-n", inner.Name, "address", "add", addr.String() + "/32", "dev", "eth0"},
		{"-n", inner.Name, "link", "set", "eth0", "up"},
		{"-n", inner.Name, "route", "add", "default", "via", via.String(), "dev", "eth0", "onlink"},
	}
	for _, step := range steps {
		if err := run(ctx, "ip", step...); err != nil {
			return nil, fmt.Errorf("connecting %s: %w", label, err)
		}
	}
	// The guest forwards, and answers ARP for what is behind it.
	_, err = g.Output(ctx, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv4.conf.eth0.proxy_arp=1")
	return inner, err
}

// UseAddress gives the guest an address and the route to the metadata server
// without asking DHCP.
func (g *Guest) UseAddress(ctx context.Context, addr netip.Addr) error {
	if err := g.IP(ctx, "address", "flush", "dev", "eth0", "scope", "global"); err != nil {
		return err
	}
	if err := g.IP(ctx, "address", "add", addr.String()+"/"+Prefix, "dev", "eth0"); err != nil {
		return err
	}
	return g.IP(ctx, "route", "replace", "default", "via", Gateway)
}
