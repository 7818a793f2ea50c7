package instance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Allowed is what a guest may send from beside its own addresses.
type Allowed struct {
	Prefixes []netip.Prefix // none contains another
	MACs     []MAC
}

// PortSecurityOff reports whether the administrator has turned port security
// off for this guest.
func (m Metadata) PortSecurityOff() bool { return m.Values[KeyPortSecurity] == "off" }

// AllowedAddresses are the further addresses that the administrator lets the
// guest send from; nothing if the list is not valid.
func (m Metadata) AllowedAddresses() Allowed {
	allowed, err := parseAllowed(m.Values[KeyAllowedAddresses])
	if err != nil {
		return Allowed{}
	}
	return allowed
}

// maxAllowed bounds allowed_addresses.
const maxAllowed = 64

// neverAllowed are addresses that no guest may claim: the metadata addresses of
// all clouds, and addresses that cannot belong to a machine.
var neverAllowed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/32"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.169.254/32"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/127"), // unspecified and loopback
	netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("fe80::a9fe:a9fe/128"),
	netip.MustParsePrefix("ff00::/8"),
}

func parseAllowed(text string) (Allowed, error) {
	var allowed Allowed
	entries := 0
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if entries++; entries > maxAllowed {
			return Allowed{}, fmt.Errorf("has too many entries, accepted: at most %d", maxAllowed)
		}
		if mac, err := ParseMAC(item); err == nil {
			allowed.MACs = append(allowed.MACs, mac)
			continue
		}
		prefix, err := parsePrefix(item)
		if err != nil {
			return Allowed{}, err
		}
		allowed.add(prefix)
	}
	return allowed, nil
}

func parsePrefix(item string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(item)
	if err != nil {
		addr, err := netip.ParseAddr(item)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is not valid, accepted: addresses, prefixes and MAC addresses, separated by commas", item)
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4 address in IPv6 form, accepted: its IPv4 form", item)
	}
	for _, never := range neverAllowed {
		if prefix.Overlaps(never) {
			return netip.Prefix{}, fmt.Errorf("%q includes %s, which no guest may send from", item, never)
		}
	}
	return prefix.Masked(), nil
}

// add keeps the list free of prefixes that lie within others.
func (a *Allowed) add(prefix netip.Prefix) {
	contains := func(outer, inner netip.Prefix) bool { return outer.Overlaps(inner) && outer.Bits() <= inner.Bits() }
	if slices.ContainsFunc(a.Prefixes, func(p netip.Prefix) bool { return contains(p, prefix) }) {
		return
	}
	a.Prefixes = slices.DeleteFunc(a.Prefixes, func(p netip.Prefix) bool { return contains(prefix, p) })
	a.Prefixes = append(a.Prefixes, prefix)
}

// validatePortSecurity checks the keys of port security.
func (m Metadata) validatePortSecurity() error {
	if v, ok := m.Values[KeyPortSecurity]; ok && v != "on" && v != "off" {
		return fmt.Errorf("metadata %s %q is not valid, accepted: on, off", KeyPortSecurity, v)
	}
	if v, ok := m.Values[KeyAllowedAddresses]; ok {
		if _, err := parseAllowed(v); err != nil {
			return fmt.Errorf("metadata %s %q: %w", KeyAllowedAddresses, v, err)
		}
	}
	return nil
}
