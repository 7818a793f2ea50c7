package dnsmasq

import (
	"regexp"

	"mdserver/internal/instance"
)

// Heard takes what a DHCP client and dnsmasq said to each other: the message's
// name, such as DHCPDISCOVER or DHCPACK, and the client's MAC. It must not wait.
type Heard func(mac instance.MAC, message string)

// OnDHCP sets who is told of DHCPv4 messages. It comes before Start; only a
// dnsmasq that mdserver runs itself can be heard.
func (s *Service) OnDHCP(heard Heard) { s.heard = heard }

// dhcpLine is "DHCPDISCOVER(br-mds) 52:54:…" or "DHCPACK(br-mds) 10.122.0.9 52:54:… web1".
var dhcpLine = regexp.MustCompile(`^(DHCP[A-Z]+)\([^)]*\) (?:\d+\.\d+\.\d+\.\d+ )?((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\b`)

// listener takes what the DHCP server's log tells. Either may be nil.
type listener struct {
	heard    Heard
	declined func(text string) // gets every line
}

// hear passes a line of the log on.
func (l listener) hear(text string) {
	if l.declined != nil {
		l.declined(text)
	}
	if l.heard == nil {
		return
	}
	m := dhcpLine.FindStringSubmatch(text)
	if m == nil {
		return
	}
	if mac, err := instance.ParseMAC(m[2]); err == nil {
		l.heard(mac, m[1])
	}
}
