package networks

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/network"
)

// byLibvirt is the backend of a network that libvirt runs.
type byLibvirt struct {
	*network.Service
	hostID string
}

func newLibvirt(cfg *config.Config, n config.Network, hostID string, notes network.Notes, changed chan<- struct{}, log *slog.Logger) byLibvirt {
	return byLibvirt{network.New(libvirtSettings(cfg, n, hostID), notes, changed, log), hostID}
}

func (b byLibvirt) reconfigure(ctx context.Context, cfg *config.Config, n config.Network, all []instance.Instance) error {
	return b.Reconfigure(ctx, libvirtSettings(cfg, n, b.hostID), all)
}

// CatchUp does nothing. The service catches up in a goroutine of its own, because
// libvirt may hang, and the other networks must not wait for it.
func (b byLibvirt) CatchUp(context.Context) {}

func (b byLibvirt) retire(ctx context.Context) error {
	return errors.Join(b.Retire(ctx), b.Close())
}

func (b byLibvirt) refresh(ctx context.Context) (changed bool) { return b.Refresh(ctx) }

// describe takes all from libvirt. A network that libvirt has never described
// stays pending.
func (b byLibvirt) describe(n *instance.Network) {
	view := b.View()
	n.Bridge, n.Domain, n.Leased, n.MTU = view.Bridge, view.Domain, view.Leased, view.MTU
	n.IPv4, n.Gateway4, n.Pending = view.IPv4, view.Gateway, !view.IPv4.IsValid()
	if view.DNS && view.Gateway.IsValid() {
		n.DNS = []netip.Addr{view.Gateway}
	}
}

func (b byLibvirt) status() Status {
	st := b.Status()
	return Status{Trouble: st.LastError, Libvirt: &st}
}

func libvirtSettings(cfg *config.Config, n config.Network, hostID string) network.Settings {
	return network.Settings{
		Name:       n.Name,
		HostID:     hostID,
		Endpoint:   connection.Endpoint{Session: cfg.Libvirt.URI.Session, Socket: cfg.Libvirt.URI.Socket},
		Prefix:     n.Prefix,
		EntryOrder: n.EntryOrder,
	}
}
