package config

import (
	"net/netip"
	"time"

	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
	"mdserver/internal/instance"
)

// inNetwork ties a kind to the field of each Network.
func inNetwork[T any](name, doc string, k kind.Kind[T], field func(*Network) *T) key {
	return key{
		section: networkSection, name: name, doc: doc,
		network: func(n *Network, text string) error {
			v, err := k.Parse(text)
			if err == nil {
				*field(n) = v
			}
			return err
		},
		binding: binding{accepts: k.Accepts, quotes: k.Quotes},
	}
}

// with sets what the reference says of a key's default, and an example.
func (k key) with(derived, example string) key {
	k.derived, k.example = derived, example
	return k
}

const inherited = "that of `[dnsmasq]`"

var networkKeys = []key{
	inNetwork("backend", "Who serves DHCP and DNS. dnsmasq: a dnsmasq for this network, as `run` says. libvirt:\n"+
		"libvirt itself; mdserver maintains the guests' entries in libvirt's definition of the\n"+
		"network. Then only `reserved`, `scope`, `prefix`, `entry_order`, `own_address`\n"+
		"and `port_security` have an effect; the definition determines everything else.",
		kind.Choice(BackendDnsmasq, BackendLibvirt), func(n *Network) *string { return &n.Backend }).with("`dnsmasq`", "dnsmasq"),
	inNetwork("interface", "Bridge of the network. It must have the gateway's address.",
		names.InterfaceName, func(n *Network) *string { return &n.Interface }).with("none, it must be set", "br-lan"),
	inNetwork("net_address", "Address of the IPv4 network.",
		kind.Address4, func(n *Network) *netip.Addr { return &n.netAddress }).with("none, it must be set", "10.50.0.0"),
	inNetwork("net_prefix", "Prefix length of the IPv4 network.",
		kind.Whole(1, 30), func(n *Network) *int { return &n.netPrefix }).with("`24`", "24"),
	inNetwork("gateway", "The guests' router: this host's address on the bridge.",
		kind.Address4, func(n *Network) *netip.Addr { return &n.Gateway }).with("the network's first address", "10.50.0.1"),
	inNetwork("reserved", "IPv4 addresses never assigned.",
		kind.Ranges4, func(n *Network) *[]instance.AddrRange { return &n.Reserved }).with("none", "10.50.0.2-10.50.0.20"),
	inNetwork("net_address6", "Address of the IPv6 network. If it is not set, guests get no IPv6.",
		kind.OptionalAddress6, func(n *Network) *netip.Addr { return &n.netAddress6 }).with("none", "fd00:50::"),
	inNetwork("net_prefix6", "Prefix length of the IPv6 network, 64 or more.",
		kind.Whole(64, 126), func(n *Network) *int { return &n.netPrefix6 }).with("`64`", "64"),
	inNetwork("gateway6", "This host's address in the IPv6 network.",
		kind.OptionalAddress6, func(n *Network) *netip.Addr { return &n.Gateway6 }).with("the network's first address", "fd00:50::1"),
	inNetwork("reserved6", "IPv6 addresses never assigned.",
		kind.Ranges6, func(n *Network) *[]instance.AddrRange { return &n.Reserved6 }).with("none", "fd00:50::2-fd00:50::ff"),
	inNetwork("scope", "Which hosts the addresses are for, if several share the inventory: shared or host.",
		kind.Choice(ScopeShared, ScopeHost), func(n *Network) *string { return &n.Scope }).with(inherited, "shared"),
	inNetwork("run", "How this network's dnsmasq runs: child, external or off.",
		kind.Choice("child", "external", "off"), func(n *Network) *string { return &n.Run }).with(inherited, "child"),
	inNetwork("listen_address", "Further address that dnsmasq listens on.",
		kind.OptionalAddress, func(n *Network) *netip.Addr { return &n.ListenAddress }).with("none", "10.50.0.1"),
	inNetwork("use_dns", "Tell guests to use this network's dnsmasq as their DNS server.",
		kind.Boolean, func(n *Network) *bool { return &n.UseDNS }).with(inherited, "yes"),
	inNetwork("lease_len", "Length of a DHCP lease in seconds.",
		kind.Units(1, 4294967294, time.Second, "seconds"), func(n *Network) *time.Duration { return &n.LeaseLen }).with(inherited, "86400"),
	inNetwork("prefix", "Prefix of the guests' names in this network's DNS.",
		names.DNSPrefix, func(n *Network) *string { return &n.Prefix }).with(inherited, "lan-"),
	inNetwork("domain", "DNS domain of the guests on this network.",
		names.DNSDomain, func(n *Network) *string { return &n.Domain }).with(inherited, "lan.example.net"),
	inNetwork("entry_order", "DNS names of a guest on this network.",
		names.EntryOrder, func(n *Network) *[]string { return &n.EntryOrder }).with(inherited, "base,domain"),
	inNetwork("own_address", "Add the metadata addresses, such as 169.254.169.254, to the bridge if no interface of\n"+
		"this host has them. They are removed when the server stops.",
		kind.Boolean, func(n *Network) *bool { return &n.OwnAddress }).with("`yes`", "no"),
	inNetwork("port_security", "Let each guest send only as itself on this network.",
		kind.Boolean, func(n *Network) *bool { return &n.PortSecurity }).with(inherited, "yes"),
}
