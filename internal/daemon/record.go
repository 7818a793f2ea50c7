package daemon

import (
	"net/http"

	"github.com/google/uuid"

	"mdserver/internal/daemon/systemd"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/report"
	"mdserver/internal/timeline"
)

// noteRequest logs and counts a request, and remembers what a guest asked for.
func (d *Daemon) noteRequest(r *http.Request, a httpcommon.Answer) {
	if a.Caller.IsLocal() && r.URL.Path == systemd.ProbePath {
		return
	}
	d.opts.Log.Request(r, a)
	d.metrics.Request(r, a)
	if report.Accepted(r.URL.Path, a.Status) {
		return // what it says is noted, and there are a hundred in a boot
	}
	if c := a.Caller; c.Guest != nil {
		d.timeline.Request(c.Guest.UUID, timeline.Request{At: a.At, Client: c.Addr, Method: r.Method, Path: r.URL.Path, Status: a.Status})
	}
}

// noteDHCP remembers that a DHCP client was heard, and counts it if it is a guest's.
func (d *Daemon) noteDHCP(network string, mac instance.MAC, message string) {
	if d.boots.NoteDHCP(network, mac, message) {
		d.metrics.DHCP(network, message)
	}
}

// forgetReleased removes the record of guests that are released.
func (d *Daemon) forgetReleased(events []instance.Event) {
	d.boots.Forget(events)
	for _, id := range released(events) {
		d.reports.Forget(id)
	}
}

// released lists the guests that are gone after a change.
func released(events []instance.Event) (list []uuid.UUID) {
	for _, e := range events {
		if e.Old != nil && e.New == nil {
			list = append(list, e.Old.UUID)
		}
	}
	return list
}
