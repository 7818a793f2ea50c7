package etcd

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// conns knows the open connections to each member, to close those that hang.
// gRPC's own keepalive cannot do that soon: its shortest interval is ten seconds.
type conns struct {
	dials atomic.Int64 // connections that were made

	mu   sync.Mutex
	open map[string]map[*conn]bool // by address
}

func newConns() *conns { return &conns{open: map[string]map[*conn]bool{}} }

// dial connects to an address, "host:port".
func (cs *conns) dial(ctx context.Context, address string) (net.Conn, error) {
	inner, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	cs.dials.Add(1)
	c := &conn{Conn: inner, owner: cs, address: address}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.open[address] == nil {
		cs.open[address] = map[*conn]bool{}
	}
	cs.open[address][c] = true
	return c, nil
}

// drop closes all connections to an address. Requests on them fail at once, and
// their outcome is unknown.
func (cs *conns) drop(address string) {
	cs.mu.Lock()
	open := cs.open[address]
	delete(cs.open, address)
	cs.mu.Unlock()
	for c := range open {
		c.Conn.Close()
	}
}

// conn leaves the table of its owner when it is closed.
type conn struct {
	net.Conn
	owner   *conns
	address string
}

func (c *conn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.open[c.address], c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
