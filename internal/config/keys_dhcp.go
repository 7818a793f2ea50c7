package config

import (
	"net/netip"

	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
)

// What guests get by DHCP in addition to their address, in [dnsmasq] and in the
// sections [network NAME].
const (
	ntpDoc    = "NTP servers for guests: IP addresses, separated by commas."
	searchDoc = "Search domains for guests, separated by commas. If it is not set, `domain` is used."
	mtuDoc    = "MTU of the network, in bytes (DHCP option 26, router advertisements, network-config,\n" +
		"network_data.json). The `<mtu>` of a guest's interface overrides it for that interface,\n" +
		"except in router advertisements."
	bootDoc = "Network boot: a file, and optionally the name and the IPv4 address of the TFTP server,\n" +
		"separated by commas, as in dnsmasq's dhcp-boot."
	confFileDoc = "File with further lines for dnsmasq's configuration, such as dhcp-option or host-record.\n" +
		"`mdserver config check` lets dnsmasq check it. If it is wrong, a reload is refused; a\n" +
		"start ignores the file and reports it."
)

var dhcpKeys = []key{
	{section: "dnsmasq", name: "ntp_server", def: "", doc: ntpDoc, example: "10.122.0.1, fd00:122::1",
		binding: bind(kind.Addresses, func(c *Config) *[]addr { return &c.Dnsmasq.NTPServers })},
	{section: "dnsmasq", name: "domain_search", def: "", doc: searchDoc, example: "example.net, corp.example.com",
		binding: bind(names.DNSDomains, func(c *Config) *[]string { return &c.Dnsmasq.DomainSearch })},
	{section: "dnsmasq", name: "mtu", def: "", doc: mtuDoc, example: "1450",
		binding: bind(kind.MTU, func(c *Config) *int { return &c.Dnsmasq.MTU })},
	{section: "dnsmasq", name: "dhcp_boot", def: "", doc: bootDoc, example: "ipxe.efi, tftp, 10.122.0.1",
		binding: bind(kind.BootFile, func(c *Config) *string { return &c.Dnsmasq.DHCPBoot })},
	{section: "dnsmasq", name: "conf_file", def: "", doc: confFileDoc, example: "/etc/mdserver/dnsmasq.conf",
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Dnsmasq.ConfFile })},
}

var networkDHCPKeys = []key{
	inNetwork("ntp_server", ntpDoc, kind.Addresses, func(n *Network) *[]netip.Addr { return &n.NTPServers }).with(inherited, "10.50.0.1"),
	inNetwork("domain_search", searchDoc, names.DNSDomains, func(n *Network) *[]string { return &n.DomainSearch }).with(inherited, "lan.example.net"),
	inNetwork("mtu", mtuDoc, kind.MTU, func(n *Network) *int { return &n.MTU }).with(inherited, "1450"),
	inNetwork("dhcp_boot", bootDoc, kind.BootFile, func(n *Network) *string { return &n.DHCPBoot }).with(inherited, "ipxe.efi, tftp, 10.50.0.1"),
	inNetwork("conf_file", confFileDoc, kind.OptionalPath, func(n *Network) *string { return &n.ConfFile }).with(inherited, "/etc/mdserver/lan.conf"),
}
