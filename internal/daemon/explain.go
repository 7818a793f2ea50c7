package daemon

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/bridge"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/explain"
	"mdserver/internal/instance"
	"mdserver/internal/networks"
	"mdserver/internal/timeline"
)

// hears reports whether dnsmasq can be heard on a network: it is our child.
func hears(served []networks.Status, network string) bool {
	return slices.ContainsFunc(served, func(s networks.Status) bool {
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
		Template: d.router.Load().Renderer.Explain(ctx, guest),
		Requests: d.timeline.Requests.Of(guest.UUID),
		DHCP:     d.timeline.DHCP.Of(timeline.DHCPClient{Network: guest.Network, MAC: guest.MAC}),
		Hears:    hears(d.networks.Status(), guest.Network),
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
