package config

import (
	"errors"
	"net/netip"
	"slices"

	"mdserver/internal/config/kind"
	"mdserver/internal/instance"
)

// Listen6 is the value of mdserver.listen_address6.
type Listen6 struct {
	Auto      bool
	Addresses []netip.Addr
}

var listen6 = kind.Kind[Listen6]{
	Accepts: "auto, IPv6 addresses separated by commas, or nothing",
	Quotes:  true,
	Parse: func(text string) (Listen6, error) {
		if text == "auto" || kind.IsNone(text) || kind.IsFalse(text) {
			return Listen6{Auto: text == "auto"}, nil
		}
		addrs, err := kind.Elements(text, func(word string) (netip.Addr, error) {
			a, err := netip.ParseAddr(word)
			if err != nil || !a.Is6() || a.Is4In6() || kind.Plain(a.Zone()) != nil {
				return a, errors.New("has an element that is not an IPv6 address")
			}
			return a, nil
		})
		return Listen6{Addresses: addrs}, err
	},
}

// ListenAddresses6 are the addresses to listen on beside Server.ListenAddress,
// the link-local ones once for each bridge, with its name. A server that
// listens on every address needs no others.
func (c *Config) ListenAddresses6() []netip.Addr {
	if c.Server.ListenAddress == netip.IPv6Unspecified() {
		return nil
	}
	addrs := c.Server.Listen6.Addresses
	served6 := slices.ContainsFunc(c.Networks, func(n Network) bool { return n.Network6.IsValid() })
	if c.Server.Listen6.Auto && served6 {
		addrs = []netip.Addr{instance.Metadata6, instance.MetadataLinkLocal}
	}
	var list []netip.Addr
	for _, a := range addrs {
		if a.IsLinkLocalUnicast() && a.Zone() == "" {
			for _, bridge := range c.bridges6() {
				list = append(list, a.WithZone(bridge))
			}
			continue
		}
		if a != c.Server.ListenAddress {
			list = append(list, a)
		}
	}
	return list
}
