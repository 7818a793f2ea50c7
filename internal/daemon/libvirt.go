package daemon

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/bridges"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/watch"
	"mdserver/internal/presence"
)

// libvirtSync keeps the inventory in step with libvirt.
type libvirtSync struct {
	presence *presence.Reconciler
	watcher  *watch.Watcher    // nil: libvirt is not used
	bridges  *bridges.Resolver // nil, too, then
}

func (d *Daemon) newLibvirtSync(cfg *config.Config) *libvirtSync {
	l := &libvirtSync{presence: presence.New(d.inventory, d.applier.Refresh, cfg.Libvirt.ReleaseAfter, d.log)}
	if uri := cfg.Libvirt.URI; !uri.Off {
		endpoint := connection.Endpoint{Session: uri.Session, Socket: uri.Socket}
		log := d.log.With("part", "libvirt")
		l.bridges = bridges.New(endpoint, d.servesNetwork, log)
		l.watcher = watch.New(endpoint, l.presence, d.boots.NoteHappening, l.bridges, log)
	}
	return l
}

// run follows libvirt until ctx ends. It also releases guests that are gone, even
// while libvirt cannot be reached.
func (l *libvirtSync) run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { l.presence.Run(ctx) })
	if l.watcher != nil {
		running.Go(func() { l.watcher.Run(ctx) })
	}
	running.Wait()
}

// close lets go of the connection to libvirt.
func (l *libvirtSync) close() { l.bridges.Close() }

// complete asks libvirt for the bridges that a domain's definition does not name.
func (d *Daemon) complete(ctx context.Context, dom instance.Domain) instance.Domain {
	return d.libvirt.bridges.Complete(ctx, dom)
}

// servesNetwork reports whether guests are served on a network by its name.
func (d *Daemon) servesNetwork(name string) bool {
	return slices.ContainsFunc(d.config.Load().Networks, func(n config.Network) bool { return n.Name == name })
}

// unplugged notes that a domain is on none of the networks.
func (d *Daemon) unplugged(ctx context.Context, id uuid.UUID) error {
	return d.libvirt.presence.Unplugged(ctx, id)
}

// running tells whether a domain runs, and whether that is known: libvirt is
// followed now and has told so.
func (l *libvirtSync) running(id uuid.UUID) (running, known bool) {
	if l.watcher == nil || !l.watcher.Status().Connected {
		return false, false
	}
	return l.presence.Running(id)
}

// foundRunning reports whether a guest was started before anything told this
// server of it.
func (d *Daemon) foundRunning(guest *instance.Instance) bool {
	return d.libvirt.presence.FoundRunning(guest.UUID) && guest.Seen[instance.ByHook].Before(d.started)
}

func (l *libvirtSync) status(cfg *config.Config) api.Libvirt {
	s := api.Libvirt{URI: cfg.Libvirt.URI.String()}
	if l.watcher != nil {
		s.LibvirtSync = l.watcher.Status()
		s.Domains = l.presence.Domains()
	}
	return s
}
