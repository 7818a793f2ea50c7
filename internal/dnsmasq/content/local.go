package content

import (
	"fmt"
	"net/netip"
)

// local has dnsmasq answer itself what no other DNS server can know, so that a
// guest does not wait for one that is slow or gone: names without a dot, and
// the addresses of this network. Of a name that has an IPv4 address alone, the
// question for its IPv6 address would otherwise go to the servers outside.
//
// domain-needed holds for addresses only (A and AAAA). local=// would hold for
// all types, and so deny the top-level domains to guests that validate DNSSEC.
// bogus-priv would take all private addresses, and hide the reverse zones of
// many companies.
func (c *directives) local(s Settings) {
	if !s.ForwardPlain {
		c.add("domain-needed")
	}
	zones := []string{markerZone}
	for _, p := range append([]netip.Prefix{s.Network, s.Network6}, metadataAddresses...) {
		zones = append(zones, reverseZones(p)...)
	}
	for _, zone := range zones {
		c.add("local", "/"+zone+"/")
	}
}

// reverseZones are the zones of in-addr.arpa (RFC 1035, 3.5) or ip6.arpa (RFC
// 3596, 2.5) that hold the names of a network's addresses. They end at whole
// octets or hexadecimal digits, so a network may need several.
func reverseZones(p netip.Prefix) []string {
	if !p.IsValid() {
		return nil
	}
	width, format, root := 8, "%d", "in-addr.arpa"
	digits := p.Masked().Addr().AsSlice()
	if p.Addr().Is6() {
		width, format, root = 4, "%x", "ip6.arpa"
		digits = nibbles(digits)
	}
	whole, rest := p.Bits()/width, p.Bits()%width
	zone := root
	for _, digit := range digits[:whole] {
		zone = fmt.Sprintf(format, digit) + "." + zone
	}
	if rest == 0 {
		return []string{zone}
	}
	var zones []string
	for i := range 1 << (width - rest) {
		zones = append(zones, fmt.Sprintf(format, int(digits[whole])+i)+"."+zone)
	}
	return zones
}

func nibbles(octets []byte) []byte {
	digits := make([]byte, 0, 2*len(octets))
	for _, octet := range octets {
		digits = append(digits, octet>>4, octet&0xf)
	}
	return digits
}
