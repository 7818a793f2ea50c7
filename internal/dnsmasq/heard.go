package dnsmasq

import (
	"regexp"

	"mdserver/internal/instance"
)

// OnDHCPMessage takes what a DHCP client and dnsmasq said to each other: the message's
// name, such as DHCPDISCOVER or DHCPACK, and the client's MAC. It must not wait.
type OnDHCPMessage func(mac instance.MAC, message string)

// Known tells whether a MAC is a guest's. It must not wait.
type Known func(mac instance.MAC) bool

// OnDHCP sets the receiver of DHCPv4 messages, and a function that knows the
// guests among the clients. Call it before Start. Only messages of a dnsmasq that
// mdserver runs itself are received.
func (s *Service) OnDHCP(heard OnDHCPMessage, known Known) {
	s.clients = clients{heard: heard, known: known}
}

// clients are functions about DHCP clients; any may be nil.
type clients struct {
	heard    OnDHCPMessage
	known    Known
	declined func(text string) // gets every line of the DHCP server
}

// dhcpLine is "DHCPDISCOVER(br-mds) 52:54:…" or "DHCPACK(br-mds) 10.122.0.9 52:54:… web1".
var dhcpLine = regexp.MustCompile(`^(DHCP[A-Z]+)\([^)]*\) (?:\d+\.\d+\.\d+\.\d+ )?((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\b`)

// hear passes a line of the log on.
func (c clients) hear(text string) {
	if c.declined != nil {
		c.declined(text)
	}
	if c.heard == nil {
		return
	}
	m := dhcpLine.FindStringSubmatch(text)
	if m == nil {
		return
	}
	if mac, err := instance.ParseMAC(m[2]); err == nil {
		c.heard(mac, m[1])
	}
}

// clientID is the MAC of a DHCPv4 client, or the end of a DHCPv6 client's DUID,
// which usually is its MAC (RFC 8415, 11.2 and 11.4).
var clientID = regexp.MustCompile(`[ :]((?:[0-9a-f]{2}:){5}[0-9a-f]{2})(?: |$)`)

// guest finds the guest's MAC in a line about a DHCP client, if it is one's.
func (c clients) guest(text string) string {
	m := clientID.FindStringSubmatch(text)
	if m == nil || c.known == nil {
		return ""
	}
	if mac, err := instance.ParseMAC(m[1]); err != nil || !c.known(mac) {
		return ""
	}
	return m[1]
}
