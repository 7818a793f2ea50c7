package kind

import (
	"errors"
	"net/netip"
	"strings"
)

// leastMTU is what every IPv4 host takes (RFC 1122, 3.3.2).
const leastMTU = 576

// MTU is that of a network, or 0 for none.
var MTU = Kind[int]{
	Accepts: "a whole number from 576 to 65535, or nothing",
	Quotes:  true,
	Parse: func(text string) (int, error) {
		if IsNone(text) {
			return 0, nil
		}
		return Whole(leastMTU, 65535).Parse(text)
	},
}

// BootFile is what a guest boots from by the network, as dnsmasq's dhcp-boot has
// it. It has no blanks within its parts: dnsmasq takes them as they are, and a
// guest's firmware does not.
var BootFile = Kind[string]{
	Accepts: "FILE, FILE, SERVERNAME or FILE, SERVERNAME, IPV4ADDRESS, or nothing; no blanks, quotes, # and backslashes",
	Quotes:  true,
	Parse: func(text string) (string, error) {
		if IsNone(text) {
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
		return strings.Join(parts, ","), Plain(text)
	},
}
