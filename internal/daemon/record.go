package daemon

import (
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
