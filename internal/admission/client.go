package admission

import (
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"
)

const (
	// minClients is how many clients are kept before idle ones are looked for.
	minClients = 1024
	// burstTime is how long a guest may save up requests that it did not send:
	// a booting guest asks much at once, and then nothing for months.
	burstTime = 10 * time.Second
	// warnTime is how often one client is complained of in the log.
	warnTime = time.Minute
	// portConnections is how many connections the strangers of one port may have.
	portConnections = 16
	// strangersRate is the part of a guest's rate of requests that they may have.
	strangersRate = 10
)

// clientKey tells clients apart. All senders on one port that are not guests share
// one key, even if they invent addresses and MACs.
type clientKey struct {
	kind  clientKind
	guest uuid.UUID
	port  int
}

type clientKind uint8

const (
	stranger clientKind = iota
	guest
	thisHost // has no limits: the hook and the administrator are there
)

// client is the state of one client. The Admission's lock protects it, except for
// the limiter, which has its own.
type client struct {
	key     clientKey
	name    string // for the log
	conns   map[*conn]struct{}
	limiter *rate.Limiter
	warned  time.Time
	unsaid  int // warnings that were left out since
}

// account returns the key that a connection counts against, and a name for the
// log. An unverified sender counts against its port.
func (c *conn) account() (clientKey, string) {
	switch v := c.verdict; {
	case v.guest != nil && v.refusal == none:
		return clientKey{kind: guest, guest: v.guest.UUID}, v.guest.Name
	case c.Loopback():
		return clientKey{kind: thisHost}, "this host"
	case c.port.Index != 0:
		return clientKey{kind: stranger, port: c.port.Index}, "strangers by " + c.port.Name
	}
	return clientKey{kind: stranger, port: c.Index}, "strangers by " + c.Interface
}

// connections is how many one client may have. It is never so many that nothing
// is left for others.
func (p *Policy) connections(kind clientKind) int {
	limit := min(p.GuestConnections, max(1, p.Connections/2))
	if kind == stranger {
		return min(limit, portConnections)
	}
	return limit
}

// strangersConnections is how many strangers may have, all together.
func (p *Policy) strangersConnections() int { return max(1, p.Connections/4) }

// rate is how many requests a second one client may send, 0 for any number.
func (p *Policy) rate(kind clientKind) int {
	switch {
	case p.RequestRate == 0 || kind == thisHost:
		return 0
	case kind == stranger:
		return max(1, p.RequestRate/strangersRate)
	}
	return p.RequestRate
}

// enter counts a connection in. It reports false if there are too many.
func (d *Admission) enter(c *conn) bool {
	policy := d.policy.Load()
	key, name := c.account()
	d.mu.Lock()
	defer d.mu.Unlock()
	c.client = d.client(key, name, policy)
	if key.kind == thisHost {
		c.client.conns[c] = struct{}{}
		return true
	}
	held := len(c.client.conns)
	if held >= policy.connections(key.kind) || d.open >= policy.Connections ||
		key.kind == stranger && len(d.strangers) >= policy.strangersConnections() {
		d.connections.Add(1)
		d.warn(c.client, "connections refused: too many connections", "held", held, "in_all", d.open)
		return false
	}
	c.client.conns[c] = struct{}{}
	d.open++
	if key.kind == stranger {
		d.strangers[c] = struct{}{}
	}
	return true
}

func (d *Admission) leave(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(c.client.conns, c)
	delete(d.strangers, c)
	if c.client.key.kind != thisHost {
		d.open--
	}
}

// client finds or makes the entry of a client. Entries that tell nothing, of
// clients that hold no connection and have saved up all their requests, are
// forgotten when there are many: memory is bounded by those that are active.
func (d *Admission) client(key clientKey, name string, policy *Policy) *client {
	if c := d.clients[key]; c != nil {
		return c
	}
	if len(d.clients) >= d.sweepAt {
		for key, c := range d.clients {
			if len(c.conns) == 0 && c.limiter.Tokens() >= float64(c.limiter.Burst()) {
				delete(d.clients, key)
			}
		}
		d.sweepAt = max(minClients, 2*len(d.clients))
	}
	c := &client{key: key, name: name, conns: map[*conn]struct{}{}, limiter: newLimiter(policy.rate(key.kind))}
	d.clients[key] = c
	return c
}

func newLimiter(perSecond int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), perSecond*int(burstTime/time.Second))
}

// allow takes one request of a client into account and reports whether it may
// go on.
func (d *Admission) allow(c *client) bool {
	perSecond := d.policy.Load().rate(c.key.kind)
	if perSecond == 0 {
		return true
	}
	if c.limiter.Limit() != rate.Limit(perSecond) { // the policy changed
		fresh := newLimiter(perSecond)
		c.limiter.SetLimit(fresh.Limit())
		c.limiter.SetBurst(fresh.Burst())
	}
	if c.limiter.Allow() {
		return true
	}
	d.requests.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.warn(c, "requests throttled: too many requests", "allowed_per_second", perSecond)
	return false
}

// warn complains of a client, but not all the time. It needs the lock.
func (d *Admission) warn(c *client, message string, args ...any) {
	now := time.Now()
	if now.Sub(c.warned) < warnTime {
		c.unsaid++
		return
	}
	args = append([]any{"client", c.name}, args...)
	if c.unsaid > 0 {
		args = append(args, "left_out", c.unsaid)
	}
	c.warned, c.unsaid = now, 0
	d.log.Warn(message, args...)
}
