package admission

import (
	"net/http"
	"time"

	"mdserver/internal/caller"
	"mdserver/internal/httpcommon"
)

// penalty is how long a request that is one too many waits for its refusal.
// With the limit of connections it bounds what refusals cost.
const penalty = 100 * time.Millisecond

// Throttled answers 503 to what a client sends too fast, unlogged: the log is
// not for a guest to fill.
func (d *Admission) Throttled(next http.Handler) http.Handler {
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
		httpcommon.Refuse(w, http.StatusServiceUnavailable, "Too many requests")
	})
}

// Caller tells who sent a request: whose connection it came by, if that is still
// so. The guest's record is the present one.
func (d *Admission) Caller(r *http.Request) caller.Caller {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return caller.Caller{}
	}
	who := caller.Caller{Addr: c.Addr()}
	if now := d.judge(&c.facts); now.refusal == none && now.is(c.verdict) {
		who.Guest, who.Local = now.guest, now.local
	}
	return who
}

// Verified answers 403 to requests that the owner of their address did not send,
// and to requests on a connection that was accepted for another guest. It expects
// the caller of Admission.Caller.
func (d *Admission) Verified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		switch who := httpcommon.Caller(r); {
		case !ok, who.Guest != nil, who.Local:
			next.ServeHTTP(w, r)
		case c.verdict.refusal == contestedPort:
			// Perhaps it is the guest, which has just moved here from another host.
			// Clients try again after a lost connection, and cloud-init gives up
			// at a 403.
			d.refuse(c)
			panic(http.ErrAbortHandler)
		case c.verdict.refusal != none:
			d.refuse(c)
			w.Header().Set("Connection", "close")
			httpcommon.Refuse(w, http.StatusForbidden, texts[c.verdict.refusal])
		case c.verdict.guest != nil || c.verdict.local:
			w.Header().Set("Connection", "close")
			httpcommon.Refuse(w, http.StatusForbidden, "Forbidden: the connection belongs to another guest")
		default:
			w.Header().Set("Connection", "close") // the next one may be a guest's
			next.ServeHTTP(w, r)
		}
	})
}

// refuse counts a refused request and tells the log of it.
func (d *Admission) refuse(c *conn) {
	why := c.verdict.refusal
	d.refused[why].Add(1)
	args := []any{"address", c.Addr(), "interface", c.Interface, "mac", c.MAC}
	if guest := c.verdict.guest; guest != nil {
		args = append(args, "guest", guest.Name, "expected", c.verdict.place.MAC)
		if why == wrongPort || why == contestedPort {
			args = append(args, "port", c.port.Name, "expected_port", guest.Target(c.verdict.place), "contested", c.port.Contested)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.warn(c.client, messages[why], args...)
}
