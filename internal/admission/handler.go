package admission

import (
	"net/http"
	"time"

	"mdserver/internal/face"
	"mdserver/internal/instance"
)

// penalty is how long a request that is one too many waits for its refusal.
// With the limit of connections it bounds what refusals cost.
const penalty = 100 * time.Millisecond

// Throttled answers 503 to what a client sends too fast, unlogged: the log is
// not for a guest to fill.
func (d *Door) Throttled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		if !ok || d.allow(c.client) {
			next.ServeHTTP(w, r)
			return
		}
		wait := time.NewTimer(penalty)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
		}
		w.Header().Set("Retry-After", "1")
		face.Refuse(w, http.StatusServiceUnavailable, "Too many requests")
	})
}

// Verified answers 403 to what came by a wrong interface, by that of another
// network than its address is of, or from another MAC than that of the guest
// whose address it bears. It expects a known caller (see
// package face).
func (d *Door) Verified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		switch {
		case ok && c.foreign:
			d.foreign.Add(1)
			d.log.Warn("request refused: it came by an interface that guests are not served on",
				"client", c.remote, "interface", c.name)
			face.Refuse(w, http.StatusForbidden, "Forbidden: guests are not served on this network")
		case ok && c.name != loopback && !d.atHome(c, r):
			face.Refuse(w, http.StatusForbidden, "Forbidden: the address is one of another network")
		case ok && d.policy.Load().VerifyMAC && c.name != loopback && !d.genuine(c, r):
			face.Refuse(w, http.StatusForbidden, "Forbidden: not sent by the guest that owns the address")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// atHome reports whether a request that bears a guest's address came by the
// network where the guest has it.
func (d *Door) atHome(c *conn, r *http.Request) bool {
	inst := face.Caller(r).Guest
	if inst == nil {
		return true
	}
	place, _ := c.place(inst)
	bridge := d.policy.Load().Bridges[place.Network]
	if bridge == "" || bridge == c.name {
		return true
	}
	d.foreign.Add(1)
	d.log.Warn("request refused: it came by another network than its address is of",
		"guest", inst.Name, "client", c.remote, "interface", c.name, "expected", bridge)
	return false
}

// place is where a guest has the address that the connection comes from. A
// link-local address is known by its MAC.
func (c *conn) place(inst *instance.Instance) (instance.Attachment, bool) {
	if place, ok := inst.At(c.remote.WithZone("")); ok {
		return place, true
	}
	mac, err := c.senderMAC()
	if err != nil {
		return instance.Attachment{}, false
	}
	return inst.By(mac)
}

// genuine reports whether a request that bears a guest's address has its MAC.
func (d *Door) genuine(c *conn, r *http.Request) bool {
	inst := face.Caller(r).Guest
	if inst == nil {
		return true // a stranger, and is refused as one
	}
	mac, err := c.senderMAC()
	place, _ := c.place(inst)
	if err == nil && mac == place.MAC {
		return true
	}
	d.spoofed.Add(1)
	if err != nil {
		d.log.Warn("request refused: the sender's MAC is not known", "guest", inst.Name, "client", c.remote, "error", err)
		return false
	}
	d.log.Warn("request refused: the address is a guest's, the MAC is not",
		"guest", inst.Name, "client", c.remote, "mac", mac, "expected", place.MAC)
	return false
}
