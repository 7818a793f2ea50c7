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
)

// clientKey tells clients apart. All that are no guest share one key, so that
// a guest which makes up addresses gains nothing by it.
type clientKey struct {
	kind  clientKind
	guest uuid.UUID
}

type clientKind uint8

const (
	stranger clientKind = iota
	guest
	thisHost // has no limits: the hook and the administrator are there
)

// client is what is remembered of one, under the Door's lock but for the
// limiter, which has its own.
type client struct {
	key     clientKey
	name    string // for the log
	conns   int
	limiter *rate.Limiter
	warned  time.Time
}

// enter counts a connection in. It returns nil if there are too many.
func (d *Door) enter(key clientKey, name string) *client {
	policy := d.policy.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.client(key, name, policy)
	if key.kind == thisHost {
		c.conns++
		return c
	}
	if c.conns >= policy.GuestConnections || d.open >= policy.Connections {
		d.connections.Add(1)
		d.warn(c, "connections refused: there are too many", "held", c.conns, "in_all", d.open)
		return nil
	}
	c.conns++
	d.open++
	return c
}

func (d *Door) leave(c *client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.conns--
	if c.key.kind != thisHost {
		d.open--
	}
}

// client finds or makes the entry of a client. Entries that tell nothing, of
// clients that hold no connection and have saved up all their requests, are
// forgotten when there are many: memory is bounded by those that are active.
func (d *Door) client(key clientKey, name string, policy *Policy) *client {
	if c := d.clients[key]; c != nil {
		return c
	}
	if len(d.clients) >= d.sweepAt {
		for key, c := range d.clients {
			if c.conns == 0 && c.limiter.Tokens() >= float64(c.limiter.Burst()) {
				delete(d.clients, key)
			}
		}
		d.sweepAt = max(minClients, 2*len(d.clients))
	}
	c := &client{key: key, name: name, limiter: newLimiter(policy.RequestRate)}
	d.clients[key] = c
	return c
}

func newLimiter(perSecond int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), perSecond*int(burstTime/time.Second))
}

// allow takes one request of a client into account and reports whether it may
// go on.
func (d *Door) allow(c *client) bool {
	perSecond := d.policy.Load().RequestRate
	if perSecond == 0 || c.key.kind == thisHost {
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
	d.warn(c, "requests throttled: there are too many", "allowed_per_second", perSecond)
	return false
}

// warn complains of a client, but not all the time.
func (d *Door) warn(c *client, message string, args ...any) {
	if now := time.Now(); now.Sub(c.warned) >= warnTime {
		c.warned = now
		d.log.Warn(message, append([]any{"client", c.name}, args...)...)
	}
}
