package timeline

import (
	"sync"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// DHCP is the last message between a guest and the DHCP server.
type DHCP = api.DHCP

// decline says that the client's address is another's (RFC 2131, 3.1.5).
const decline = "DHCPDECLINE"

// mostClients bounds the clients that are remembered.
const mostClients = 16384

// DHCPClient is an interface on one network. Interfaces on different networks may
// have the same MAC address.
type DHCPClient struct {
	Network string
	MAC     instance.MAC
}

// DHCPLog keeps the last message of each client. The zero DHCPLog is ready for use.
type DHCPLog struct {
	mu   sync.Mutex
	last map[DHCPClient]DHCP
}

// Note remembers a message. If there are too many clients, all are forgotten: a
// guest is inventing MACs.
func (l *DHCPLog) Note(client DHCPClient, heard DHCP) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || len(l.last) >= mostClients {
		l.last = map[DHCPClient]DHCP{}
	}
	heard.Declined = l.last[client].Declined
	if heard.Message == decline {
		heard.Declined = &heard.At
	}
	l.last[client] = heard
}

// Forget removes what was heard of a client.
func (l *DHCPLog) Forget(client DHCPClient) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.last, client)
}

// Of gives the last message of a client; nil if none was heard.
func (l *DHCPLog) Of(client DHCPClient) *DHCP {
	l.mu.Lock()
	defer l.mu.Unlock()
	if heard, ok := l.last[client]; ok {
		return &heard
	}
	return nil
}
