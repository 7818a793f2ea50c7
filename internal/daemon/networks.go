package daemon

import (
	"context"
	"errors"
	"reflect"

	"mdserver/internal/config"
	"mdserver/internal/fleet"
	"mdserver/internal/instance"
)

// applied is what the networks were when they were last applied. It belongs to
// the goroutine that runs followNetworks.
type applied struct {
	config         *config.Config
	networks       []instance.Network
	places, naming string // what the guests' places and names were worked out from
}

// errStopping means that the networks are not applied any more.
var errStopping = errors.New("the server is stopping")

// followNetworks applies the networks when libvirt reports a change and on
// request, until ctx ends. Nothing else applies them.
func (d *Daemon) followNetworks(ctx context.Context) {
	defer close(d.followed)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.networks.Changed():
			if err := d.applyNetworks(ctx); err != nil && ctx.Err() == nil {
				d.log.Error("guests were not updated after a change of the networks", "error", err)
			}
		case answer := <-d.applying:
			answer <- d.applyNetworks(ctx)
		}
	}
}

// askToApply has followNetworks apply the networks, and waits for that.
func (d *Daemon) askToApply(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case d.applying <- answer:
	case <-d.followed:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-d.followed:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refreshNetworks brings what is known of the networks up to date, for a
// registration that is about to choose addresses.
func (d *Daemon) refreshNetworks(ctx context.Context) {
	if !d.networks.Refresh(ctx) {
		return
	}
	if err := d.askToApply(ctx); err != nil && ctx.Err() == nil {
		d.log.Error("registering a guest before a change of the networks was applied", "error", err)
	}
}

// applyNetworks puts the networks to use everywhere, as the configuration and
// their backends describe them now. Guests get other places and names if they
// need them.
func (d *Daemon) applyNetworks(ctx context.Context) error {
	cfg := d.config.Load()
	all := d.networks.Describe(cfg)
	if cfg == d.applied.config && reflect.DeepEqual(all, d.applied.networks) {
		return nil
	}
	d.inventory.Reconfigure(d.inventoryOptions(cfg, all))
	if d.store.Fleet != nil {
		d.store.Fleet.SetNetworks(fleet.Publishable(all))
	}
	d.admission.SetPolicy(admissionPolicy(cfg, all))
	d.router.Store(d.newRouter(cfg, all))
	d.keepAddresses(cfg, all)
	d.ports.Set(all)
	if err := d.renameReserved(ctx, cfg, all); err != nil {
		return err
	}
	if err := d.reattach(ctx, all); err != nil {
		return err
	}
	d.applied.config, d.applied.networks = cfg, all
	return nil
}

// reattach gives guests other places where the networks have other addresses.
func (d *Daemon) reattach(ctx context.Context, all []instance.Network) error {
	now := places(all)
	if now == d.applied.places {
		return nil
	}
	moved, err := d.inventory.Reattach(ctx)
	if err == nil {
		d.applied.places = now
	}
	if moved > 0 {
		d.log.Info("guests were updated after a change of the networks", "guests", moved)
	}
	return err
}

// places tells apart lists of networks on which guests have other places.
func places(all []instance.Network) string {
	text := ""
	for _, n := range all {
		text += n.Name + " " + n.Bridge + " " + n.IPv4.String() + " " + n.IPv6.String() + "\n"
	}
	return text
}
