package lines

import (
	"regexp"

	"mdserver/internal/instance"
)

// Clients are functions about DHCP clients; any may be nil. They must not wait.
type Clients struct {
	// OnMessage takes what a DHCP client and dnsmasq said to each other: the
	// message's name, such as DHCPDISCOVER or DHCPACK, and the client's MAC.
	OnMessage func(mac instance.MAC, message string)
	// IsGuest reports whether a MAC is a guest's.
	IsGuest func(mac instance.MAC) bool
	// OnLine takes every line of the DHCP server.
	OnLine func(text string)
}

// dhcpLine is "DHCPDISCOVER(br-mds) 52:54:…" or "DHCPACK(br-mds) 10.122.0.9 52:54:… web1".
var dhcpLine = regexp.MustCompile(`^(DHCP[A-Z]+)\([^)]*\) (?:\d+\.\d+\.\d+\.\d+ )?((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\b`)

// hear passes a line of the log on.
func (c Clients) hear(text string) {
	if c.OnLine != nil {
		c.OnLine(text)
	}
	if c.OnMessage == nil {
		return
	}
	m := dhcpLine.FindStringSubmatch(text)
	if m == nil {
		return
	}
	if mac, err := instance.ParseMAC(m[2]); err == nil {
		c.OnMessage(mac, m[1])
	}
}

// clientID is the MAC of a DHCPv4 client, or the end of a DHCPv6 client's DUID,
// which usually is its MAC (RFC 8415, 11.2 and 11.4).
var clientID = regexp.MustCompile(`[ :]((?:[0-9a-f]{2}:){5}[0-9a-f]{2})(?: |$)`)

// guest finds the guest's MAC in a line about a DHCP client, if it is one's.
func (c Clients) guest(text string) string {
	m := clientID.FindStringSubmatch(text)
	if m == nil || c.IsGuest == nil {
		return ""
	}
	if mac, err := instance.ParseMAC(m[1]); err != nil || !c.IsGuest(mac) {
		return ""
	}
	return m[1]
}
