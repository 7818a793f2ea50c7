package content

import (
	"net/netip"
	"slices"
	"strings"
)

// Rebind says which answers of other DNS servers guests are not given, because
// they name addresses that only this host may name (DNS rebinding).
type Rebind string

const (
	RebindOwn     Rebind = "own"     // answers with an address of mdserver's networks
	RebindPrivate Rebind = "private" // answers that name any private address
	RebindNo      Rebind = "no"      // none: all answers are passed on
)

// metadataAddresses are where guests look for metadata, on every network.
var metadataAddresses = []netip.Prefix{
	netip.MustParsePrefix("169.254.169.254/32"),
	netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("fe80::a9fe:a9fe/128"),
}

// rebind blocks answers from outside with addresses of mdserver's networks. Names
// that dnsmasq knows from its own files are not affected.
//
// bogus-nxdomain takes prefixes and answers that there is no such name; it
// knows no exceptions. stop-dns-rebind takes all private addresses, and lets
// the domains of rebind-domain-ok name them. Both look at the answer as a
// whole, so that an address behind an alias is found, too.
func (c *directives) rebind(s Settings) {
	switch s.Rebind {
	case RebindOwn:
		c.bogus(append(slices.Clone(metadataAddresses), s.OwnPrefixes...))
	case RebindPrivate:
		c.bogus(metadataAddresses)
		c.add("stop-dns-rebind")
		c.add("rebind-localhost-ok") // block lists for mail servers answer with 127.0.0.0/8
		if len(s.RebindDomains) > 0 {
			c.add("rebind-domain-ok", "/"+strings.Join(s.RebindDomains, "/")+"/")
		}
	}
}

// bogus has dnsmasq deny names that lead to a private address of these, by IPv6
// also in its IPv4-mapped form. Any name may have a public address of a guest. The
// zero Prefix, of a network without IPv6, is not private.
func (c *directives) bogus(prefixes []netip.Prefix) {
	var seen []netip.Prefix
	for _, p := range prefixes {
		if !private(p.Addr()) || slices.Contains(seen, p) {
			continue
		}
		seen = append(seen, p)
		c.add("bogus-nxdomain", p.String())
		if p.Addr().Is4() {
			c.add("bogus-nxdomain", mapped(p).String())
		}
	}
}

// shared is for the networks of carriers, and private as well (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func private(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

// mapped is the same prefix among the IPv4-mapped addresses (RFC 4291,
// 2.5.5.2), which sockets take for the IPv4 addresses.
func mapped(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16(p.Addr().As16()), 96+p.Bits())
}
