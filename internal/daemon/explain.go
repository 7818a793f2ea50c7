package daemon

import (
	"context"
	"net/http"
	"time"

	"mdserver/internal/caller"
	"mdserver/internal/explain"
	"mdserver/internal/instance"
	"mdserver/internal/trail"
)

// noteRequest remembers what a guest asked for.
func (d *Daemon) noteRequest(r *http.Request, c caller.Caller, status int) {
	if c.Guest == nil {
		return
	}
	d.trail.Note(c.Guest.UUID, trail.Request{At: time.Now(), Client: c.Addr, Method: r.Method, Path: r.URL.Path, Status: status})
}

// explain tells all of a guest, and why it is so.
func (d *Daemon) explain(ctx context.Context, guest *instance.Instance) explain.Document {
	cfg := d.config.Load()
	var keys []string
	for _, key := range cfg.PublicKeys {
		keys = append(keys, key.Name)
	}
	return explain.Guest(explain.Subject{
		Guest:    guest,
		Snapshot: d.inventory.Snapshot(),
		Networks: configuredNetworks(cfg),
		Settings: cfg.Effective(),
		Keys:     keys,
		Template: d.front.Load().renderer.Explain(ctx, guest),
		Requests: d.trail.Of(guest.UUID),
		Started:  d.started,
	})
}
