// Package apply puts the networks to use, as the configuration and their backends
// describe them: in the inventory, admission, the answers, on bridges and ports. One
// goroutine does so while the server runs.
package apply

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"reflect"
	"time"

	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/fleet"
	"mdserver/internal/hostsfile"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/logging/once"
)

// Parts are what depends on the networks.
type Parts struct {
	Config    func() *config.Config
	Networks  Networks
	Store     *store.Store
	Inventory *inventory.Inventory
	HostNames *hostsfile.File // this host's, which no guest may have
	// These take over the networks as they are now.
	Admission interface{ SetPolicy(admission.Policy) }
	Addresses interface {
		Set(bridges []string, addrs []netip.Addr)
	}
	Ports interface{ Set([]instance.Network) }
	// Answer has guests answered under a configuration with its networks.
	Answer func(*config.Config, []instance.Network)
	Log    *slog.Logger
}

// Networks tells what the backends know of the networks. networks.Networks implements it.
type Networks interface {
	Changed() <-chan struct{}
	Refresh(ctx context.Context) (changed bool)
	Describe(cfg *config.Config) []instance.Network
}

// Applier applies the networks. Make it with New.
type Applier struct {
	parts    Parts
	applying chan chan error // asks Run to apply the networks
	ended    chan struct{}   // closed when Run has ended
	applied  applied

	complaint once.Complaint // why Run cannot apply the networks
}

// New makes an Applier that has applied nothing yet.
func New(parts Parts) *Applier {
	return &Applier{parts: parts, applying: make(chan chan error), ended: make(chan struct{})}
}

// applied is what the networks were when they were last applied. It belongs to the
// goroutine that runs Run, and before that to the one that starts it.
type applied struct {
	config         *config.Config
	networks       []instance.Network
	places, naming string // what the guests' places and names were worked out from
	unfinished     bool   // guests lack some of these places and names
}

// retryPeriod is how long Run waits before it tries again to give guests their places and
// names.
const retryPeriod = 5 * time.Second

// ErrStopping means that the networks are not applied any more.
var ErrStopping = errors.New("the server is stopping")

// Run applies the networks when libvirt reports a change and on request, until ctx ends, and
// tries again what failed. Nothing else applies them meanwhile. Call Run once.
func (a *Applier) Run(ctx context.Context) {
	defer close(a.ended)
	retry := time.NewTicker(retryPeriod)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.parts.Networks.Changed():
			a.follow(ctx)
		case <-retry.C:
			if a.applied.unfinished {
				a.follow(ctx)
			}
		case answer := <-a.applying:
			answer <- a.Apply(ctx)
		}
	}
}

// follow applies the networks, and logs once why it cannot.
func (a *Applier) follow(ctx context.Context) {
	if err := a.Apply(ctx); ctx.Err() == nil && a.complaint.New(err) {
		a.parts.Log.Error("guests were not updated after a change of the networks", "error", err)
	}
}

// Ask has Run apply the networks, and waits for that. An error may be ErrStopping.
func (a *Applier) Ask(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case a.applying <- answer:
	case <-a.ended:
		return ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer: // Run answers even if it ends
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Refresh brings what is known of the networks up to date, for a registration that is
// about to choose addresses.
func (a *Applier) Refresh(ctx context.Context) {
	if !a.parts.Networks.Refresh(ctx) {
		return
	}
	if err := a.Ask(ctx); err != nil && ctx.Err() == nil {
		a.parts.Log.Error("registering a guest before a change of the networks was applied", "error", err)
	}
}

// Apply puts the networks to use everywhere, as the configuration and their backends
// describe them now. Guests get other places and names if they need them. It must not
// be called while Run runs: Ask has Run do it.
func (a *Applier) Apply(ctx context.Context) error {
	cfg := a.parts.Config()
	all := a.parts.Networks.Describe(cfg)
	if cfg != a.applied.config || !reflect.DeepEqual(all, a.applied.networks) {
		a.tell(cfg, all)
		a.applied.config, a.applied.networks = cfg, all
	}
	err := a.renameReserved(ctx, cfg, all)
	if err == nil {
		err = a.reattach(ctx, all)
	}
	a.applied.unfinished = err != nil
	return err
}

// tell passes the networks to all parts. It cannot fail.
func (a *Applier) tell(cfg *config.Config, all []instance.Network) {
	a.parts.Inventory.Reconfigure(InventoryOptions(cfg, all, a.parts.Store, a.parts.HostNames, a.parts.Log))
	if a.parts.Store.Fleet != nil {
		a.parts.Store.Fleet.SetNetworks(fleet.Publishable(all))
	}
	a.parts.Admission.SetPolicy(AdmissionPolicy(cfg, all))
	a.parts.Answer(cfg, all)
	a.keepAddresses(cfg, all)
	a.parts.Ports.Set(all)
}

// reattach gives guests other places where the networks have other addresses.
func (a *Applier) reattach(ctx context.Context, all []instance.Network) error {
	now := places(all)
	if now == a.applied.places {
		return nil
	}
	moved, err := a.parts.Inventory.Reattach(ctx)
	if err == nil {
		a.applied.places = now
	}
	if moved > 0 {
		a.parts.Log.Info("guests were updated after a change of the networks", "guests", moved)
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
