// Package admission decides who gets in at the metadata server's door, before
// anything is answered: by which interface a connection may come, whether the
// sender has the MAC of the guest whose address it uses, how many connections
// a guest may hold and how many requests it may send. What one guest does, slow
// or hostile, does not hold up another.
//
//	listener = door.Listener(listener)
//	server.ConnContext = door.ConnContext
//	server.Handler = door.Throttled(face.Identified(…, door.Verified(…)))
package admission

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"mdserver/internal/instance"
)

// Guests finds guests by what their packets bear.
type Guests interface {
	ByAddr(netip.Addr) (*instance.Instance, bool)
	ByMAC(instance.MAC) (*instance.Instance, bool)
}

// Policy says what is let in. It can change at any time; connections that are
// open stay so.
type Policy struct {
	// Interfaces are those that guests may come by; nil means any. This host
	// itself comes by its loopback interface, which is always open.
	Interfaces []string
	// Bridges are the interfaces of networks by name: a guest is served by
	// that of the network on which it has its address, where it is known.
	Bridges map[string]string
	// VerifyMAC compares the MAC that the kernel's neighbour table has for a
	// guest's address with the guest's own.
	VerifyMAC bool
	// Connections and GuestConnections bound the connections at a time, in
	// all and of one guest.
	Connections, GuestConnections int
	// RequestRate is how many requests a second one guest may send in the long
	// run, 0 for any number.
	RequestRate int
}

// Counts tell what was turned away since the start.
type Counts struct {
	Connections uint64 `json:"connections"` // more than were allowed
	Requests    uint64 `json:"requests"`    // faster than were allowed
	Interface   uint64 `json:"interface"`   // came by a wrong interface
	MAC         uint64 `json:"mac"`         // came from a wrong MAC
}

// Door is the one way in. Make one with New.
type Door struct {
	guests Guests
	log    *slog.Logger
	policy atomic.Pointer[Policy]

	mu      sync.Mutex // of what follows
	clients map[clientKey]*client
	open    int // connections, without this host's own
	sweepAt int // clients, at which idle ones are forgotten

	connections, requests, foreign, spoofed atomic.Uint64
}

// New makes a door.
func New(policy Policy, guests Guests, log *slog.Logger) *Door {
	d := &Door{guests: guests, log: log, clients: map[clientKey]*client{}, sweepAt: minClients}
	d.SetPolicy(policy)
	return d
}

// SetPolicy replaces the policy.
func (d *Door) SetPolicy(p Policy) { d.policy.Store(&p) }

// Counts tells what was turned away so far.
func (d *Door) Counts() Counts {
	return Counts{
		Connections: d.connections.Load(),
		Requests:    d.requests.Load(),
		Interface:   d.foreign.Load(),
		MAC:         d.spoofed.Load(),
	}
}
