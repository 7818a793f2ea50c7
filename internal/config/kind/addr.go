package kind

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"mdserver/internal/instance"
)

// Address4 is one IPv4 address.
var Address4 = Kind[netip.Addr]{
	Accepts: "an IPv4 address",
	Quotes:  true,
	Parse: func(text string) (netip.Addr, error) {
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return netip.Addr{}, errors.New("not an IPv4 address")
		}
		return a, nil
	},
}

// OptionalAddress6 is one IPv6 address without a zone, or none: the zero value.
var OptionalAddress6 = Kind[netip.Addr]{
	Accepts: "an IPv6 address, or nothing",
	Quotes:  true,
	Parse: func(text string) (netip.Addr, error) {
		if IsNone(text) || IsFalse(text) {
			return netip.Addr{}, nil
		}
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
			return netip.Addr{}, errors.New("not an IPv6 address")
		}
		return a, nil
	},
}

// AnyAddress is where a server listens; nothing means every IPv4 address, as
// it does to Python's socket module.
var AnyAddress = Kind[netip.Addr]{
	Accepts: "an IP address, or nothing for every IPv4 address",
	Quotes:  true,
	Parse: func(text string) (netip.Addr, error) {
		if IsNone(text) {
			return netip.IPv4Unspecified(), nil
		}
		return parseAddress(text)
	},
}

// OptionalAddress is an address that dnsmasq listens on, or none. It has no zone:
// dnsmasq takes none.
var OptionalAddress = Kind[netip.Addr]{
	Accepts: "an IP address without an interface, or nothing",
	Quotes:  true,
	Parse: func(text string) (netip.Addr, error) {
		if IsNone(text) || IsFalse(text) {
			return netip.Addr{}, nil
		}
		a, err := parseAddress(text)
		if err == nil && a.Zone() != "" {
			err = errors.New("names an interface")
		}
		return a, err
	},
}

func parseAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, errors.New("not an IP address")
	}
	return a.Unmap(), Plain(a.Zone())
}

// Addresses are any number of IP addresses without zones.
var Addresses = Kind[[]netip.Addr]{
	Accepts: "IP addresses, separated by commas, or nothing",
	Quotes:  true,
	Parse: func(text string) ([]netip.Addr, error) {
		if IsNone(text) {
			return nil, nil
		}
		return Elements(text, func(word string) (netip.Addr, error) {
			a, err := netip.ParseAddr(word)
			if err != nil || a.Zone() != "" {
				return a, errors.New("contains something that is not an IP address")
			}
			return a.Unmap(), nil
		})
	},
}

func ranges(family string, fits func(netip.Addr) bool) Kind[[]instance.AddrRange] {
	return Kind[[]instance.AddrRange]{
		Accepts: family + " addresses, first-last ranges and networks such as ADDRESS/24, separated by commas",
		Quotes:  true,
		Parse: func(text string) ([]instance.AddrRange, error) {
			return Elements(text, func(word string) (instance.AddrRange, error) {
				r := parseRange(word)
				if !fits(r.First) || !fits(r.Last) {
					return r, errors.New("has an element that is not an " + family + " address, range or network")
				}
				if r.Last.Less(r.First) {
					return r, errors.New("has a range that ends before it begins")
				}
				return r, nil
			})
		},
	}
}

// Ranges4 and Ranges6 are any number of ranges, each in one of its three forms.
var (
	Ranges4 = ranges("IPv4", netip.Addr.Is4)
	Ranges6 = ranges("IPv6", func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() && a.Zone() == "" })
)

// parseRange leaves an address that it cannot read zero, which is of no family.
func parseRange(word string) instance.AddrRange {
	if network, err := netip.ParsePrefix(word); err == nil {
		return instance.AddrRange{First: network.Masked().Addr(), Last: instance.LastAddr(network)}
	}
	from, to, isRange := strings.Cut(word, "-")
	if !isRange {
		to = from
	}
	first, _ := netip.ParseAddr(strings.TrimSpace(from))
	final, _ := netip.ParseAddr(strings.TrimSpace(to))
	return instance.AddrRange{First: first, Last: final}
}

// Endpoints is a list of addresses with their ports. A port alone is on 127.0.0.1.
var Endpoints = Kind[[]netip.AddrPort]{
	Accepts: "ADDRESS:PORT, [IPV6]:PORT or PORT, separated by commas, or nothing",
	Quotes:  true,
	Parse: func(text string) ([]netip.AddrPort, error) {
		if IsNone(text) || IsFalse(text) {
			return nil, nil
		}
		return Distinct(Elements(text, endpoint))
	},
}

func endpoint(word string) (netip.AddrPort, error) {
	if port, err := strconv.ParseUint(word, 10, 16); err == nil {
		word = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)).String()
	}
	at, err := netip.ParseAddrPort(word)
	if err != nil || Plain(at.Addr().Zone()) != nil {
		return netip.AddrPort{}, errors.New("has an element that is neither an IP address with a port nor a port")
	}
	if at.Port() == 0 {
		return netip.AddrPort{}, errors.New("has the port 0")
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}
