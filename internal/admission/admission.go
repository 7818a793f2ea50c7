// Package admission decides who is asking, once, when a connection is accepted,
// and whether to admit the sender, by interface, MAC, port of the bridge, and the
// number of connections and requests. A connection belongs to the guest that it
// was accepted for. What one guest does, slow or hostile, does not hold up
// another.
//
//	listener = admission.Listener(listener) // made with ingress.Control
//	server.ConnContext = admission.ConnContext
//	server.Handler = admission.Throttled(frontend.Identified(admission.Caller, …, admission.Verified(…)))
package admission

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/ingress"
	"mdserver/internal/instance"
)

// Guests finds guests, as they are now.
type Guests interface {
	ByAddr(netip.Addr) (*instance.Instance, bool)
	ByMAC(instance.MAC) []*instance.Instance
}

// Kernel tells where connections come from; see package ingress.
type Kernel interface {
	Source(*net.TCPConn) (ingress.Source, error)
	Port(*net.TCPConn, ingress.Source) (ingress.Port, error)
	Pin(ingress.Source) (release func(), err error)
}

// Verify selects the guests whose MAC and bridge port are verified. A sender with
// a link-local address is always identified by these alone.
type Verify string

// Guests on a bridge of a served network, all guests, none.
const (
	VerifyBridge Verify = "bridge"
	VerifyAll    Verify = "yes"
	VerifyNone   Verify = "no"
)

// How guests are identified, as `mdserver status` prints it.
const (
	BySYN       = "address, MAC and bridge's port"
	ByNeighbour = "address and neighbour table"
	ByAddress   = "address"
)

// Policy says what is let in. It can change at any time; a connection that would
// be judged otherwise by the new one is closed.
type Policy struct {
	// Interfaces are those that guests may come by; nil means any. This host
	// itself comes by its loopback interface, which is always open.
	Interfaces []string
	// Bridges are the interfaces of networks by name.
	Bridges map[string]string
	// Routed: guests may come by other interfaces than the bridge of the network
	// on which they have their address.
	Routed bool
	Verify Verify
	// Connections and GuestConnections bound the connections at a time, in
	// all and of one guest.
	Connections, GuestConnections int
	// RequestRate is how many requests a second one guest may send in the long
	// run, 0 for any number.
	RequestRate int
}

// ours reports whether an interface is the bridge of one of the networks.
func (p *Policy) ours(name string) bool {
	for _, bridge := range p.Bridges {
		if bridge == name {
			return true
		}
	}
	return false
}

func (p *Policy) admits(name string) bool {
	return p.Interfaces == nil || slices.Contains(p.Interfaces, name)
}

// Counts are what was turned away since the start.
type Counts = api.Counts

// Admission is the one way in. Make one with New.
type Admission struct {
	guests Guests
	kernel Kernel
	log    *slog.Logger
	policy atomic.Pointer[Policy]
	taps   taps

	mu        sync.Mutex // of what follows
	clients   map[clientKey]*client
	open      int                // connections, without this host's own
	strangers map[*conn]struct{} // those of them that no guest has
	sweepAt   int                // clients; at that number, idle ones are forgotten

	lingering sync.WaitGroup // connections that are closed except for their last bytes
	stopping  chan struct{}

	connections, requests, unknown, closed atomic.Uint64
	refused                                [refusals]atomic.Uint64
}

// New makes an Admission. Close ends what is left of its connections.
func New(policy Policy, guests Guests, kernel Kernel, log *slog.Logger) *Admission {
	d := &Admission{guests: guests, kernel: kernel, log: log, clients: map[clientKey]*client{}, strangers: map[*conn]struct{}{}, sweepAt: minClients, stopping: make(chan struct{})}
	d.taps.owners = map[string]uuid.UUID{}
	d.SetPolicy(policy)
	return d
}

// SetPolicy replaces the policy.
func (d *Admission) SetPolicy(p Policy) {
	d.policy.Store(&p)
	d.review(d.all())
}

// Counts tells what was turned away so far.
func (d *Admission) Counts() Counts {
	return Counts{
		Connections: d.connections.Load(),
		Requests:    d.requests.Load(),
		Interface:   d.refused[wrongInterface].Load() + d.refused[wrongNetwork].Load(),
		MAC:         d.refused[wrongMAC].Load(),
		Port:        d.refused[wrongPort].Load() + d.refused[contestedPort].Load(),
		Unknown:     d.unknown.Load(),
		Closed:      d.closed.Load(),
	}
}
