// Package daemon runs the server: it starts the parts in their order, wires
// them together, reloads and stops them.
package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mdserver/internal/admin"
	"mdserver/internal/admission"
	"mdserver/internal/bridge"
	"mdserver/internal/config"
	"mdserver/internal/face"
	"mdserver/internal/health"
	"mdserver/internal/hostsfile"
	"mdserver/internal/identity"
	"mdserver/internal/imds"
	"mdserver/internal/ingress"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/portsecurity"
	"mdserver/internal/trail"
)

// Options say what to run.
type Options struct {
	ConfigFile string
	Stdout     io.Writer        // the log's stream
	Reload     <-chan os.Signal // each value makes it reload
}

// Daemon is a running server.
type Daemon struct {
	opts    Options
	started time.Time
	logs    *logging
	log     *slog.Logger

	inventory *inventory.Inventory
	publisher *publisher
	notes     *boltstore.Store
	serving   *serving
	keeper    *bridge.Keeper
	ports     *portsecurity.Keeper
	following *following
	kernel    *ingress.Kernel
	door      *admission.Door
	identity  *identity.Authority
	tokenKey  imds.Key
	tokens    imds.Counts
	uploading *admin.Intake // by TCP
	control   *admin.Intake // by the control socket
	hosts     *hostsfile.File
	trail     trail.Log
	dhcp      trail.DHCPLog

	snapshotFailure atomic.Pointer[health.Trouble] // of the last snapshot; nil: it was made

	// taking serialises changes of the networks; placed and naming tell what
	// guests' places and names were last worked out from.
	taking         sync.Mutex
	placed, naming string

	// reloading serialises reloads; config and front are what they replace.
	reloading sync.Mutex
	config    atomic.Pointer[config.Config]
	front     atomic.Pointer[front]
}

// ConfigError means that the server cannot start before somebody mends its
// configuration.
type ConfigError struct{ err error }

func (e *ConfigError) Error() string { return "configuration refused:\n" + e.err.Error() }

// Unwrap gives the problems that were found.
func (e *ConfigError) Unwrap() error { return e.err }

// Run serves until ctx ends, reloading when asked to. It returns
// nil after an orderly stop, and a *ConfigError for a configuration that cannot
// be used.
func Run(ctx context.Context, opts Options) error {
	cfg, warnings, err := config.Load(opts.ConfigFile)
	if err != nil {
		return &ConfigError{err}
	}
	d := newDaemon(opts, cfg)
	defer d.logs.Close()
	d.log.Info("mdserver starts", "version", cfg.Service.Version, "config", opts.ConfigFile)
	for _, w := range warnings {
		d.log.Warn("configuration", "warning", w.String())
	}
	if err := d.run(ctx); err != nil {
		d.log.Error("mdserver ends", "error", err)
		return err
	}
	d.log.Info("mdserver stopped")
	return nil
}

// newDaemon makes a server whose logs are open and of which nothing runs yet.
func newDaemon(opts Options, cfg *config.Config) *Daemon {
	d := &Daemon{
		opts: opts, started: time.Now(), logs: openLogs(cfg, opts.Stdout),
		uploading: admin.NewIntake(), control: admin.NewIntake(),
	}
	d.log = d.logs.logger
	d.hosts = hostsfile.New("/etc/hosts", d.log)
	d.config.Store(cfg)
	return d
}

func (d *Daemon) run(ctx context.Context) error {
	cfg := d.config.Load()
	inv, err := d.openInventory(ctx, cfg)
	if err != nil {
		return err
	}
	d.inventory = inv
	defer inv.Close()
	if err := d.openIdentity(cfg); err != nil {
		return err
	}

	listeners, err := listen(cfg, d.log)
	if err != nil {
		return err
	}
	defer listeners.close()

	// The parts outlive ctx until all requests are answered: a registration waits
	// until DHCP and DNS know its guest.
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	starting := context.AfterFunc(ctx, end)

	d.keeper = bridge.New(d.log)
	defer d.stopKeeping()
	defer d.startPortSecurity(work)()
	d.serving = newServing(cfg, d.notes, func() { d.networksChanged(work) }, d.noteDHCP, d.isGuest, d.log)
	defer d.stopServing()
	if err := d.openDoor(); err != nil {
		return err
	}
	defer d.closeDoor()
	d.publisher = newPublisher(inv, d.serving, d.log)
	defer d.publisher.close()
	if err := d.takeNetworks(work); err != nil {
		return err
	}
	if err := d.publisher.start(work); err != nil {
		d.log.Error("DHCP and DNS do not serve yet", "error", err)
	}
	defer d.followGuests()()
	defer d.forgetReleased()()
	defer d.keepSnapshots(work)()
	d.following = d.newFollowing(cfg)
	following, stop := context.WithCancel(ctx)
	defer d.following.start(following)()
	defer stop()
	defer end()
	starting()
	return d.serve(ctx, listeners)
}

// serve answers requests until ctx ends or a listener fails.
func (d *Daemon) serve(ctx context.Context, l listeners) error {
	metadata := newServer(d.metadataHandler(d.door.Caller), func(ctx context.Context, conn net.Conn) context.Context {
		return imds.WithConn(d.door.ConnContext(ctx, conn), conn)
	}, d.log)
	control := newServer(d.backend(d.control).Handler(), admin.WithPeer, d.log)
	failed := make(chan error, len(l.metadata)+1)
	var serving sync.WaitGroup
	for _, listener := range l.metadata {
		serving.Go(func() { failed <- metadata.Serve(d.door.Listener(listener)) })
	}
	serving.Go(func() { failed <- control.Serve(l.control) })
	defer serving.Wait()
	defer stopAll(metadata, control)
	defer lastCalls(l.metadata, d.log)

	notify := newNotifier(d.log)
	defer notify.stopping()
	notify.status(d.statusLine(l))
	notify.ready()
	defer d.tellSystemd(ctx, notify, l)()
	d.log.Info("mdserver serves", "address", l.String(), "guests", d.inventory.Snapshot().Len())
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("listener failed: %w", err)
		case <-d.opts.Reload:
			notify.reloading()
			if _, err := d.reload(ctx); err != nil {
				d.log.Error("reload refused, the old configuration stays in force", "error", err)
			}
			notify.ready()
		}
	}
}

// networksChanged follows what libvirt tells of its networks.
func (d *Daemon) networksChanged(ctx context.Context) {
	if err := d.takeNetworks(ctx); err != nil && ctx.Err() == nil {
		d.log.Error("guests do not follow a change of the networks", "error", err)
	}
}

func (d *Daemon) stopServing() {
	if err := d.serving.close(); err != nil {
		d.log.Error("DHCP and DNS not stopped", "error", err)
	}
}

// metadataHandler serves what guests and the local host ask over TCP. It
// looks the present front up for each request, so that a reload needs no
// restart of the listener.
func (d *Daemon) metadataHandler(identify face.Identify) http.Handler {
	current := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.front.Load().ServeHTTP(w, r)
	})
	verified := d.door.Verified(face.Normalise(current))
	return d.door.Throttled(face.Identified(identify, d.noteRequest, verified))
}

func (d *Daemon) backend(intake *admin.Intake) admin.Backend {
	return admin.Backend{
		Inventory: d.inventory,
		Publish:   d.publisher.sync,
		Userdata:  d.renderUserdata,
		Complete:  d.complete,
		Unplugged: d.unplugged,
		Export:    d.export,
		Import:    d.importDocument,
		Backup:    d.backup,
		Status:    d.status,
		State:     d.state,
		Explain:   d.explain,
		Identity:  d.identity.Certificate,
		Intake:    intake,
		Reload:    d.reload,
		Log:       d.log,
	}
}
