package trail

import (
	"sync"
	"time"

	"mdserver/internal/instance"
)

// DHCP is the last that was heard between a guest and the DHCP server.
type DHCP struct {
	Message string    `json:"message"` // DHCPDISCOVER, DHCPACK, …
	At      time.Time `json:"at"`

	// Declined is when a DHCPDECLINE was last heard in the client's name.
	Declined *time.Time `json:"declined,omitempty"`
}

// decline says that the client's address is another's (RFC 2131, 3.1.5).
const decline = "DHCPDECLINE"

// mostClients bounds the clients that are remembered.
const mostClients = 16384

// DHCPLog keeps the last message by MAC. The zero DHCPLog is ready for use.
type DHCPLog struct {
	mu   sync.Mutex
	last map[instance.MAC]DHCP
}

// Note remembers a message. Where there are too many clients, all are
// forgotten: somebody makes up MACs.
func (l *DHCPLog) Note(mac instance.MAC, heard DHCP) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || len(l.last) >= mostClients {
		l.last = map[instance.MAC]DHCP{}
	}
	heard.Declined = l.last[mac].Declined
	if heard.Message == decline {
		heard.Declined = &heard.At
	}
	l.last[mac] = heard
}

// Of gives the last message of a client; nil if none was heard.
func (l *DHCPLog) Of(mac instance.MAC) *DHCP {
	l.mu.Lock()
	defer l.mu.Unlock()
	if heard, ok := l.last[mac]; ok {
		return &heard
	}
	return nil
}
