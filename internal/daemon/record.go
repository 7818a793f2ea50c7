package daemon

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/daemon/systemd"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/watch"
	"mdserver/internal/report"
	"mdserver/internal/timeline"
	"mdserver/internal/userdata"
)

// noteHappening notes an event of libvirt.
func (d *Daemon) noteHappening(id uuid.UUID, h watch.Happening) {
	if _, known := d.inventory.Snapshot().ByUUID(id); !known {
		return
	}
	switch h.Kind {
	case api.EntryStarted:
		d.timeline.Start(id, h.At, api.FromLibvirt)
	case api.EntryRebooted:
		d.timeline.Reboot(id, h.At)
	case api.EntryStopped, api.EntryCrashed:
		d.timeline.Stop(id, h.At, h.Kind, h.Detail)
	default:
		d.timeline.Note(id, api.BootEntry{At: h.At, Kind: h.Kind, Source: api.FromLibvirt, Detail: h.Detail})
	}
}

// noteRegistered notes that a guest was registered: libvirt's hook does so when the
// guest starts. One that comes from another host runs already.
func (d *Daemon) noteRegistered(guest *instance.Instance, source string) {
	if source == instance.ByHook && guest.FromID == "" {
		d.timeline.Start(guest.UUID, time.Now(), api.FromHook)
	}
}

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

// noteDHCP counts and remembers that a guest's DHCP client was heard. Others are not
// remembered: made-up MACs would take the guests' places.
func (d *Daemon) noteDHCP(network string, mac instance.MAC, message string) {
	heard := timeline.DHCP{Message: message, At: time.Now()}
	client := timeline.DHCPClient{Network: network, MAC: mac}
	guests := d.inventory.Snapshot().ByMAC(mac)
	if len(guests) > 0 {
		d.metrics.DHCP(network, message)
	}
	for _, guest := range guests {
		if isOn(guest, client) {
			d.timeline.Heard(guest.UUID, client, heard)
		}
	}
}

// isOn reports whether a guest has a DHCP client on its network.
func isOn(guest *instance.Instance, client timeline.DHCPClient) bool {
	return slices.ContainsFunc(guest.Attachments(), func(a instance.Attachment) bool {
		return a.Network == client.Network && a.MAC == client.MAC
	})
}

// recorder is a renderer that notes what guests are given.
type recorder struct {
	*userdata.Renderer
	record *timeline.Log
}

// Render implements the frontends' Userdata.
func (r recorder) Render(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error) {
	rendered, err := r.Renderer.Render(ctx, guest)
	return r.note(guest, timeline.UserdataDocument, rendered, err)
}

// RenderReporting implements ec2.Userdata.
func (r recorder) RenderReporting(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error) {
	rendered, err := r.Renderer.RenderReporting(ctx, guest)
	return r.note(guest, timeline.UserdataDocument, rendered, err)
}

// Vendor implements nocloud.Userdata.
func (r recorder) Vendor(ctx context.Context, guest *instance.Instance, reporting bool) (userdata.Rendered, error) {
	rendered, err := r.Renderer.Vendor(ctx, guest, reporting)
	return r.note(guest, timeline.VendordataDocument, rendered, err)
}

// VendorJSON implements openstack.Userdata.
func (r recorder) VendorJSON(ctx context.Context, guest *instance.Instance, reporting bool) (userdata.Rendered, error) {
	rendered, err := r.Renderer.VendorJSON(ctx, guest, reporting)
	return r.note(guest, timeline.VendordataDocument, rendered, err)
}

func (r recorder) note(guest *instance.Instance, kind string, rendered userdata.Rendered, err error) (userdata.Rendered, error) {
	switch {
	case errors.Is(err, context.Canceled), err == nil && len(rendered.Body) == 0:
	case err != nil:
		r.record.RenderFailed(guest.UUID, kind, err.Error(), userdata.FailedLine(err))
	default:
		r.record.Served(guest.UUID, timeline.Document{Kind: kind, Body: rendered.Body, Hash: rendered.Hash, Template: rendered.Template})
	}
	return rendered, err
}
