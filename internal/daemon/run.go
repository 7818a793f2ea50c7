package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"mdserver/internal/admin"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/daemon/httpserver"
	"mdserver/internal/daemon/listen"
	"mdserver/internal/daemon/systemd"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/logging"
	"mdserver/internal/pace"
)

// ConfigError means that the server cannot start with its configuration.
type ConfigError struct{ err error }

func (e *ConfigError) Error() string { return "configuration refused:\n" + e.err.Error() }

// Unwrap returns the problems that were found.
func (e *ConfigError) Unwrap() error { return e.err }

// Serve loads a configuration and runs a server until ctx ends; each value of
// reload makes it load the configuration again. The log's stream is stdout.
//
// It returns nil after an orderly stop, a *ConfigError for a configuration that
// cannot be used, and a store.ErrDatabase for a database that cannot.
func Serve(ctx context.Context, file string, stdout io.Writer, reload <-chan os.Signal) error {
	cfg, warnings, err := config.Load(file)
	if err != nil {
		return &ConfigError{err}
	}
	logs := logging.Open(cfg, stdout)
	defer logs.Close()
	log := logs.Logger()
	log.Info("mdserver starts", "version", cfg.Service.Version, "config", file)
	for _, w := range warnings {
		log.Warn("configuration", "warning", w.String())
	}
	err = newAndRun(ctx, cfg, Options{ConfigFile: file, Log: logs, Reload: reload})
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // it was stopped while it started
	}
	if err != nil {
		log.Error("mdserver ends", "error", err)
		return err
	}
	log.Info("mdserver stopped")
	return nil
}

func newAndRun(ctx context.Context, cfg *config.Config, opts Options) error {
	d, err := New(ctx, cfg, opts)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Run(ctx)
}

// Run serves until ctx ends or a listener fails. It is called once.
func (d *Daemon) Run(ctx context.Context) error {
	sockets, err := listen.Open(d.config.Load(), d.log)
	if err != nil {
		return err
	}
	defer sockets.Close()
	defer d.takeAddressesAway()
	defer d.closeNetworks()
	defer d.libvirt.close()

	// What runs in the background outlives ctx until all requests are answered: a
	// registration waits until DHCP and DNS know its guest.
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	defer background.Wait()
	defer end()
	starting := context.AfterFunc(ctx, end)

	background.Go(func() { d.exporter.Run(work) })
	_ = d.exporter.Set(d.config.Load().Metrics.Listen) // a failure is logged, and keeps no guest from being served
	background.Go(func() { d.boots.Run(work) })
	background.Go(func() { d.addresses.Run(work) })
	background.Go(func() { d.ports.Run(work) })
	d.onChange(work, &background, func([]instance.Event) { d.ports.Wake() })
	d.onChange(work, &background, func(events []instance.Event) {
		d.forgetReleased(events)
		d.timeline.Wake()
	})
	d.onChange(work, &background, d.ssh.Forget)
	background.Go(func() { d.ssh.Run(work) })
	d.followGuests(work, &background)
	if d.store.Fleet != nil {
		background.Go(func() { d.store.Fleet.Run(work) })
	}
	if err := d.startNetworks(work); err != nil {
		return err
	}
	background.Go(func() { d.applier.Run(work) })
	background.Go(func() { d.upkeep.KeepSnapshots(work) })
	background.Go(func() { d.upkeep.KeepDatabase(work) })
	if d.store.Shared != nil {
		d.onChange(work, &background, d.hosts.Note)
		background.Go(func() { d.hosts.Follow(work) })
	}
	background.Go(func() { d.keys.Follow(work) })

	starting()
	ctx, stop := context.WithCancel(ctx)
	background.Go(func() { d.libvirt.run(ctx) })
	defer stop()
	return d.serve(ctx, sockets)
}

// onChange calls a function with all changes of the inventory from now on, in
// their order, until ctx ends.
func (d *Daemon) onChange(ctx context.Context, running *sync.WaitGroup, do func([]instance.Event)) {
	feed := d.inventory.Subscribe()
	running.Go(func() {
		defer feed.Close()
		for {
			events, err := feed.Next(ctx)
			if err != nil { // the end of ctx or the inventory
				return
			}
			do(events)
		}
	})
}

// followGuests has admission follow what becomes of guests until ctx ends.
func (d *Daemon) followGuests(ctx context.Context, running *sync.WaitGroup) {
	feed := d.inventory.Subscribe()
	guests := feed.Start().All()
	running.Go(func() {
		defer feed.Close()
		d.admission.Follow(ctx, guests, feed)
	})
}

// serve answers requests until ctx ends or a listener fails.
func (d *Daemon) serve(ctx context.Context, sockets listen.Sockets) error {
	metadata := httpserver.New(d.metadataHandler(d.admission.Caller), func(ctx context.Context, conn net.Conn) context.Context {
		return imds.WithConn(d.admission.ConnContext(ctx, conn), conn)
	}, d.log)
	backend := d.backend(d.control)
	backend.Progress = endWith(ctx, backend.Progress)
	// Who asks for a reload may leave before its end. Half of it would remain undone.
	backend.Reload = func(context.Context) (api.Reloaded, error) { return d.reload(ctx) }
	control := httpserver.New(backend.Handler(), admin.WithPeer, d.log)
	failed := make(chan error, len(sockets.Metadata)+1)
	var serving sync.WaitGroup
	for _, listener := range sockets.Metadata {
		serving.Go(func() { failed <- metadata.Serve(d.admission.Listener(listener)) })
	}
	serving.Go(func() { failed <- control.Serve(sockets.Control) })
	defer serving.Wait()
	defer httpserver.StopAll(metadata, control)
	defer sockets.LastCalls(d.log)

	notify := systemd.NewNotifier(d.log)
	defer notify.Stopping()
	notify.Status(d.reporter.Line(sockets.String()))
	d.serving.Store(true) // others ask as soon as systemd knows
	defer d.serving.Store(false)
	notify.Ready()
	defer d.tellSystemd(ctx, notify, sockets)()
	d.log.Info("mdserver serves", "address", sockets.String(), "guests", d.inventory.Snapshot().Len())
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("listener failed: %w", err)
		case <-d.opts.Reload:
			notify.Reloading()
			if _, err := d.reload(ctx); err != nil {
				d.log.Error("reload refused, the old configuration stays active", "error", err)
			}
			notify.Ready()
		}
	}
}

// endWith has queries return when the server stops. They would hold up its stop.
func endWith(stop context.Context, progress func(context.Context, api.ProgressQuery) api.Progress) func(context.Context, api.ProgressQuery) api.Progress {
	return func(ctx context.Context, q api.ProgressQuery) api.Progress {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		return progress(ctx, q)
	}
}

// healthPeriod is how often the server looks at its health.
const healthPeriod = 2 * time.Second

// tellSystemd looks at the server's health every few seconds, so that it is known
// since when something is wrong, and keeps the status line up to date. It feeds the
// watchdog as long as requests are answered. Both end when the function that it
// returns is called.
func (d *Daemon) tellSystemd(ctx context.Context, n *systemd.Notifier, sockets listen.Sockets) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() {
		pace.Every(ctx, healthPeriod, func() { n.Status(d.reporter.Line(sockets.String())) })
	})
	telling.Go(func() { n.KeepAlive(ctx, d.config.Load, d.inventory.Writing) })
	return func() {
		cancel()
		telling.Wait()
	}
}

// startNetworks applies the networks, since their backends need this host's
// addresses on them, and starts the backends. What those know of the networks
// from before is applied when it returns.
func (d *Daemon) startNetworks(ctx context.Context) error {
	if err := d.applier.Apply(ctx); d.refusesStart(err) {
		return err
	}
	if err := d.networks.Start(ctx); err != nil {
		d.log.Error("DHCP and DNS are not ready yet", "error", err)
	}
	if err := d.applier.Apply(ctx); err != nil && ctx.Err() == nil {
		d.log.Error("guests were not updated after a change of the networks", "error", err)
	}
	return nil
}

func (d *Daemon) closeNetworks() {
	if err := d.networks.Close(); err != nil {
		d.log.Error("DHCP and DNS not stopped", "error", err)
	}
}

// takeAddressesAway removes this server's addresses from bridges.
func (d *Daemon) takeAddressesAway() {
	if err := d.addresses.Close(); err != nil {
		d.log.Warn("an address of this server stays on a bridge", "error", err)
	}
}
