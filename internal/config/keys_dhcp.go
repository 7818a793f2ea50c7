package config

import (
	"errors"
	"net/netip"
	"strings"
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
		binding: bind(addresses, func(c *Config) *[]addr { return &c.Dnsmasq.NTPServers })},
	{section: "dnsmasq", name: "domain_search", def: "", doc: searchDoc, example: "example.net, corp.example.com",
		binding: bind(dnsDomains, func(c *Config) *[]string { return &c.Dnsmasq.DomainSearch })},
	{section: "dnsmasq", name: "mtu", def: "", doc: mtuDoc, example: "1450",
		binding: bind(mtu, func(c *Config) *int { return &c.Dnsmasq.MTU })},
	{section: "dnsmasq", name: "dhcp_boot", def: "", doc: bootDoc, example: "ipxe.efi, tftp, 10.122.0.1",
		binding: bind(bootFile, func(c *Config) *string { return &c.Dnsmasq.DHCPBoot })},
	{section: "dnsmasq", name: "conf_file", def: "", doc: confFileDoc, example: "/etc/mdserver/dnsmasq.conf",
		binding: bind(optionalPath, func(c *Config) *string { return &c.Dnsmasq.ConfFile })},
}

var networkDHCPKeys = []key{
	inNetwork("ntp_server", ntpDoc, addresses, func(n *Network) *[]netip.Addr { return &n.NTPServers }).with(inherited, "10.50.0.1"),
	inNetwork("domain_search", searchDoc, dnsDomains, func(n *Network) *[]string { return &n.DomainSearch }).with(inherited, "lan.example.net"),
	inNetwork("mtu", mtuDoc, mtu, func(n *Network) *int { return &n.MTU }).with(inherited, "1450"),
	inNetwork("dhcp_boot", bootDoc, bootFile, func(n *Network) *string { return &n.DHCPBoot }).with(inherited, "ipxe.efi, tftp, 10.50.0.1"),
	inNetwork("conf_file", confFileDoc, optionalPath, func(n *Network) *string { return &n.ConfFile }).with(inherited, "/etc/mdserver/lan.conf"),
}

var addresses = kind[[]netip.Addr]{
	accepts: "IP addresses, separated by commas, or nothing",
	quotes:  true,
	parse: func(text string) ([]netip.Addr, error) {
		if isNone(text) {
			return nil, nil
		}
		return elements(text, func(word string) (netip.Addr, error) {
			a, err := netip.ParseAddr(word)
			if err != nil || a.Zone() != "" {
				return a, errors.New("contains something that is not an IP address")
			}
			return a.Unmap(), nil
		})
	},
}

// leastMTU is what every IPv4 host takes (RFC 1122, 3.3.2).
const leastMTU = 576

var mtu = kind[int]{
	accepts: "a whole number from 576 to 65535, or nothing",
	quotes:  true,
	parse: func(text string) (int, error) {
		if isNone(text) {
			return 0, nil
		}
		return whole(leastMTU, 65535).parse(text)
	},
}

// bootFile has no blanks within its parts: dnsmasq takes them as they are, and
// a guest's firmware does not.
var bootFile = kind[string]{
	accepts: "FILE, FILE, SERVERNAME or FILE, SERVERNAME, IPV4ADDRESS, or nothing; no blanks, quotes, # and backslashes",
	quotes:  true,
	parse: func(text string) (string, error) {
		if isNone(text) {
			return "", nil
		}
		parts := strings.Split(text, ",")
		for i, part := range parts {
			parts[i] = strings.TrimSpace(part)
			if strings.ContainsAny(parts[i], " \t\"#\\") {
				return "", errors.New("has a character that dnsmasq's files cannot hold")
			}
		}
		switch {
		case parts[0] == "":
			return "", errors.New("names no file")
		case len(parts) > 3:
			return "", errors.New("has more than three parts")
		case len(parts) == 3:
			if a, err := netip.ParseAddr(parts[2]); err != nil || !a.Is4() {
				return "", errors.New("has a third part that is not an IPv4 address")
			}
		}
		return strings.Join(parts, ","), plain(text)
	},
}
