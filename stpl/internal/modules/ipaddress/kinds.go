package ipaddress

import "net/netip"

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// The special-purpose networks as Python 3.11.7 knows them: IANA's registries
// for IPv4 and IPv6.
var (
	privateNetworks = prefixes("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/29",
		"192.0.0.170/31", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"255.255.255.255/32", "::1/128", "::/128", "::ffff:0:0/96", "100::/64", "2001::/23", "2001:2::/48", "2001:db8::/32",
		"2001:10::/28", "fc00::/7", "fe80::/10")
	linkLocalNetworks = prefixes("169.254.0.0/16", "fe80::/10")
	multicastNetworks = prefixes("224.0.0.0/4", "ff00::/8")
	loopbackNetworks  = prefixes("127.0.0.0/8", "::1/128")
	unspecified       = prefixes("0.0.0.0/32", "::/128")
	reservedNetworks  = prefixes("240.0.0.0/4", "::/8", "100::/8", "200::/7", "400::/6", "800::/5", "1000::/4", "4000::/3",
		"6000::/3", "8000::/3", "a000::/3", "c000::/3", "e000::/4", "f000::/5", "f800::/6", "fe00::/9")
	sharedNetwork = prefixes("100.64.0.0/10")
)

// within reports whether p lies in one of the networks.
func within(p netip.Prefix, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Addr().BitLen() == p.Addr().BitLen() && n.Bits() <= p.Bits() && contains(n, p.Addr()) {
			return true
		}
	}
	return false
}

// contains is netip's Contains, which does not take mapped addresses.
func contains(n netip.Prefix, ip netip.Addr) bool {
	a, err := ip.WithZone("").Prefix(n.Bits())
	return err == nil && a.Addr() == n.Masked().Addr()
}

func in(networks []netip.Prefix) func(netip.Prefix) bool {
	return func(p netip.Prefix) bool { return within(p, networks) }
}

func private(p netip.Prefix) bool {
	if p.Addr().Is4In6() && p.IsSingleIP() {
		p = netip.PrefixFrom(p.Addr().Unmap(), 32)
	}
	return within(p, privateNetworks)
}

// addressKinds are the properties is_… of addresses and networks.
var addressKinds = map[string]func(netip.Prefix) bool{
	"is_private":     private,
	"is_global":      func(p netip.Prefix) bool { return !private(p) && !within(p, sharedNetwork) },
	"is_link_local":  in(linkLocalNetworks),
	"is_multicast":   in(multicastNetworks),
	"is_loopback":    in(loopbackNetworks),
	"is_unspecified": in(unspecified),
	"is_reserved":    in(reservedNetworks),
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		keep := min(max(p.Bits()-8*i, 0), 8)
		b[i] |= 0xff >> keep
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}
