package admission

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"

	"mdserver/internal/caller"
	"mdserver/internal/deadline"
	"mdserver/internal/instance"
)

// loopback is the interface by which this host speaks to itself, whichever of
// its addresses it uses.
const loopback = "lo"

// Listener lets in what the policy allows; what there is too much of is cut
// off at once.
func (d *Door) Listener(l net.Listener) net.Listener { return &listener{l, d} }

type listener struct {
	net.Listener
	door *Door
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := accepted.(*net.TCPConn)
		if !ok {
			return accepted, nil // nothing that guests could come by
		}
		c := l.door.receive(tcp)
		if c.client = l.door.enter(l.door.owner(c)); c.client != nil {
			return c, nil
		}
		_ = tcp.SetLinger(0) // leaves nothing behind in the kernel
		_ = tcp.Close()
	}
}

// conn is an accepted connection and what is known of its other end.
type conn struct {
	*deadline.Conn
	door          *Door
	client        *client
	local, remote netip.Addr
	index         int    // of the interface by which it came
	name          string // of that interface
	foreign       bool   // no guest may come by that interface
	closing       sync.Once

	asking sync.Once // asks for what follows
	mac    instance.MAC
	macErr error
}

// receive finds out how a connection came.
func (d *Door) receive(tcp *net.TCPConn) *conn {
	c := &conn{Conn: deadline.New(tcp), door: d, local: address(tcp.LocalAddr()), remote: address(tcp.RemoteAddr())}
	var err error
	if c.index, c.name, err = arrival(tcp, c.remote.Is6()); err != nil {
		d.log.Warn("the interface by which a connection came cannot be told", "client", c.remote, "error", err)
	}
	// The kernel takes such a source from nobody else, but may name the
	// interface that bears the address.
	if c.remote.IsLoopback() || c.remote == c.local {
		c.name = loopback
	}
	allowed := d.policy.Load().Interfaces
	c.foreign = allowed != nil && c.name != loopback && !slices.Contains(allowed, c.name)
	return c
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.closing.Do(func() { c.door.leave(c.client) })
	return c.Conn.Close()
}

// senderMAC is what the kernel sends this connection's packets to. It is asked
// once: while the connection is new the kernel is sure to know.
func (c *conn) senderMAC() (instance.MAC, error) {
	c.asking.Do(func() { c.mac, c.macErr = neighbour(c.index, c.remote) })
	return c.mac, c.macErr
}

// owner tells whose connection it is, as far as limits go, and a name for the
// log. What came by a wrong interface is not on any guest's account.
func (d *Door) owner(c *conn) (clientKey, string) {
	inst, known := d.guests.ByAddr(c.remote.WithZone(""))
	if !known && c.remote.IsLinkLocalUnicast() && c.name != loopback {
		if mac, err := c.senderMAC(); err == nil {
			inst, known = d.guests.ByMAC(mac)
		}
	}
	switch {
	case known && !c.foreign:
		return clientKey{guest, inst.UUID}, inst.Name
	case c.name == loopback:
		return clientKey{kind: thisHost}, "this host"
	}
	return clientKey{kind: stranger}, "strangers"
}

func address(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

type connKey struct{}

// ConnContext hands on what is known of a connection to its requests: it is an
// http.Server's ConnContext.
func (d *Door) ConnContext(ctx context.Context, accepted net.Conn) context.Context {
	c, ok := accepted.(*conn)
	if !ok {
		return ctx
	}
	if c.remote.IsLinkLocalUnicast() && c.name != loopback {
		if mac, err := c.senderMAC(); err == nil {
			ctx = caller.WithMAC(ctx, mac)
		}
	}
	return context.WithValue(ctx, connKey{}, c)
}
