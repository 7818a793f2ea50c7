package config

import (
	"errors"
	"net/netip"
	"strings"

	"mdserver/internal/instance"
)

var address4 = kind[netip.Addr]{
	accepts: "an IPv4 address",
	quotes:  true,
	parse: func(text string) (netip.Addr, error) {
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return netip.Addr{}, errors.New("not an IPv4 address")
		}
		return a, nil
	},
}

var optionalAddress6 = kind[netip.Addr]{
	accepts: "an IPv6 address, or nothing",
	quotes:  true,
	parse: func(text string) (netip.Addr, error) {
		if isNone(text) || isFalse(text) {
			return netip.Addr{}, nil
		}
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
			return netip.Addr{}, errors.New("not an IPv6 address")
		}
		return a, nil
	},
}

// anyAddress is where a server listens; nothing means every IPv4 address, as
// it does to Python's socket module.
var anyAddress = kind[netip.Addr]{
	accepts: "an IP address, or nothing for every IPv4 address",
	quotes:  true,
	parse: func(text string) (netip.Addr, error) {
		if isNone(text) {
			return netip.IPv4Unspecified(), nil
		}
		return parseAddress(text)
	},
}

// optionalAddress has no zone: dnsmasq takes none.
var optionalAddress = kind[netip.Addr]{
	accepts: "an IP address without an interface, or nothing",
	quotes:  true,
	parse: func(text string) (netip.Addr, error) {
		if isNone(text) || isFalse(text) {
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
	return a.Unmap(), plain(a.Zone())
}

func ranges(family string, fits func(netip.Addr) bool) kind[[]instance.AddrRange] {
	return kind[[]instance.AddrRange]{
		accepts: family + " addresses, first-last ranges and networks such as ADDRESS/24, separated by commas",
		quotes:  true,
		parse: func(text string) ([]instance.AddrRange, error) {
			return elements(text, func(word string) (instance.AddrRange, error) {
				r, ok := parseRange(word)
				if !ok || !fits(r.First) || !fits(r.Last) {
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

var (
	ranges4 = ranges("IPv4", netip.Addr.Is4)
	ranges6 = ranges("IPv6", func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() && a.Zone() == "" })
)

func parseRange(word string) (instance.AddrRange, bool) {
	if network, err := netip.ParsePrefix(word); err == nil {
		return instance.AddrRange{First: network.Masked().Addr(), Last: instance.LastAddr(network)}, true
	}
	from, to, isRange := strings.Cut(word, "-")
	if !isRange {
		to = from
	}
	first, err1 := netip.ParseAddr(strings.TrimSpace(from))
	final, err2 := netip.ParseAddr(strings.TrimSpace(to))
	return instance.AddrRange{First: first, Last: final}, err1 == nil && err2 == nil
}
