package dnsmasq

import (
	"mdserver/internal/dnsmasq/lines"
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
	s.clients = lines.Clients{OnMessage: heard, IsGuest: known}
}
