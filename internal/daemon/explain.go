package daemon

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/bridge"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/explain"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/networks"
	"mdserver/internal/report"
	"mdserver/internal/timeline"
)

// noteRequest logs and counts a request, and remembers what a guest asked for.
func (d *Daemon) noteRequest(r *http.Request, a httpcommon.Answer) {
	if a.Caller.IsLocal() && r.URL.Path == probePath {
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

func (d *Daemon) isGuest(mac instance.MAC) bool {
	return len(d.inventory.Snapshot().ByMAC(mac)) > 0
}

// isOn reports whether a guest has a DHCP client on its network.
func isOn(guest *instance.Instance, client timeline.DHCPClient) bool {
	return slices.ContainsFunc(guest.Attachments(), func(a instance.Attachment) bool {
		return a.Network == client.Network && a.MAC == client.MAC
	})
}

// hears reports whether dnsmasq can be heard on a network: it is our child.
func (d *Daemon) hears(network string) bool {
	return slices.ContainsFunc(d.networks.Status(), func(s networks.Status) bool {
		return s.Network.Name == network && s.Dnsmasq != nil && s.Dnsmasq.Mode == dnsmasq.Child
	})
}

// explain tells all of a guest, and why it is so.
func (d *Daemon) explain(ctx context.Context, guest *instance.Instance) api.Explanation {
	cfg := d.config.Load()
	var keys []string
	for _, key := range cfg.PublicKeys {
		keys = append(keys, key.Name)
	}
	all := d.networks.Describe(cfg)
	return explain.Guest(explain.Subject{
		Guest:    guest,
		Refusal:  d.refusalOf(guest),
		Snapshot: d.inventory.Snapshot(),
		Networks: all,
		Settings: cfg.Effective(),
		Keys:     keys,
		Template: d.router.Load().renderer.Explain(ctx, guest),
		Requests: d.timeline.Requests.Of(guest.UUID),
		DHCP:     d.timeline.DHCP.Of(timeline.DHCPClient{Network: guest.Network, MAC: guest.MAC}),
		Hears:    d.hears(guest.Network),
		Started:  d.started,
		Ports:    d.ports.Of(guest.UUID),
		RunsOn:   d.contestedWith(guest.UUID),
		Found:    d.foundRunning(guest),
		Taps:     d.taps(guest, all),
	})
}

// contestedWith is the name of the host that has a guest which runs here, too, or empty.
func (d *Daemon) contestedWith(id uuid.UUID) string {
	for _, guest := range d.libvirt.presence.Contested() {
		if guest.UUID == id {
			return guest.Host
		}
	}
	return ""
}

// taps finds this host's ends of a guest's interfaces, and where they are. One
// that is not there is left out: the guest does not run.
func (d *Daemon) taps(guest *instance.Instance, networks []instance.Network) []explain.Tap {
	var taps []explain.Tap
	for _, place := range guest.Attachments() {
		name := guest.Target(place)
		i := slices.IndexFunc(networks, func(n instance.Network) bool { return n.Name == place.Network })
		if name == "" || i < 0 {
			continue
		}
		master, there, err := bridge.Master(name)
		if err != nil {
			d.log.Warn("the bridge of a guest's tap is unknown", "guest", guest.Name, "tap", name, "error", err)
		}
		if there && err == nil {
			taps = append(taps, explain.Tap{Name: name, Bridge: master, Wanted: networks[i].Bridge})
		}
	}
	return taps
}
