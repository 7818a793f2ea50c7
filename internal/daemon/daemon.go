// Package daemon runs the server: it starts the parts in their order, wires
// them together, reloads and stops them.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mdserver/internal/admin"
	"mdserver/internal/admission"
	"mdserver/internal/api"
	"mdserver/internal/bridge"
	"mdserver/internal/config"
	"mdserver/internal/daemon/apply"
	"mdserver/internal/daemon/boots"
	"mdserver/internal/daemon/hosts"
	"mdserver/internal/daemon/keys"
	"mdserver/internal/daemon/router"
	"mdserver/internal/daemon/sshhosts"
	"mdserver/internal/daemon/status"
	"mdserver/internal/daemon/store"
	"mdserver/internal/daemon/transfer"
	"mdserver/internal/daemon/upkeep"
	"mdserver/internal/exporter"
	"mdserver/internal/health"
	"mdserver/internal/hostsfile"
	"mdserver/internal/httpcommon"
	"mdserver/internal/imds"
	"mdserver/internal/ingress"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/logging"
	"mdserver/internal/metrics"
	"mdserver/internal/networks"
	"mdserver/internal/portsecurity"
	"mdserver/internal/report"
	"mdserver/internal/timeline"
)

// Options are what a Daemon needs beside its configuration.
type Options struct {
	ConfigFile string // that a reload reads
	Log        *logging.Log
	Reload     <-chan os.Signal // each value makes it reload
}

// Daemon is the server. Make it with New.
type Daemon struct {
	opts    Options
	started time.Time
	log     *slog.Logger

	// What is known.
	store     *store.Store // what the inventory is kept in, and the notes
	inventory *inventory.Inventory
	upkeep    *upkeep.Upkeep // of the store's database
	transfer  transfer.Transfer
	keys      *keys.Keys
	hosts     *hosts.Hosts
	hostsFile *hostsfile.File
	ssh       *sshhosts.Hosts

	// What makes guests known, and what they are known by.
	libvirt   *libvirtSync
	networks  *networks.Networks
	applier   *apply.Applier // of networks
	addresses *bridge.Reconciler
	ports     *portsecurity.Reconciler
	kernel    *ingress.Kernel
	admission *admission.Admission

	// What commands report.
	uploading *admin.UploadLimiter // by TCP
	control   *admin.UploadLimiter // by the control socket
	tokens    imds.Counts
	boots     *boots.History
	timeline  *timeline.Log // the record in boots
	reports   *report.Reports
	metrics   *metrics.Metrics
	exporter  *exporter.Exporter
	reporter  *status.Reporter
	serving   atomic.Bool // guests are served

	// reloading serialises reloads; config and router are what they replace.
	reloading sync.Mutex
	config    atomic.Pointer[config.Config]
	router    atomic.Pointer[router.Router]
}

// New opens the database and makes a server that is complete, but serves nothing
// before Run. The caller closes it. The values of ctx hold for later writes to the
// database, too.
//
// An error that is store.ErrDatabase means that the database cannot be used.
func New(ctx context.Context, cfg *config.Config, opts Options) (*Daemon, error) {
	clock := health.NewClock()
	d := &Daemon{
		opts: opts, started: time.Now(), log: opts.Log.Logger(),
		uploading: admin.NewIntake(), control: admin.NewIntake(),
	}
	d.hostsFile = hostsfile.New("/etc/hosts", d.log)
	d.config.Store(cfg)
	d.metrics = metrics.New(metrics.Sources{Status: d.status, Guests: d.countGuests, Boots: d.countBoots})
	d.exporter = exporter.New(d.monitoringHandler(), d.log)
	var err error
	if d.inventory, err = d.openInventory(ctx, cfg); err != nil {
		return nil, err
	}
	if d.keys, err = keys.Open(ctx, cfg, d.store.Database, d.log); err != nil {
		return nil, errors.Join(err, d.closeInventory())
	}
	if d.ssh, err = d.openSSH(ctx); err != nil {
		return nil, errors.Join(err, d.closeInventory())
	}
	if err := d.keys.Share(ctx, cfg, d.store.SharedNotes(), d.ssh.Refresh); err != nil {
		return nil, errors.Join(err, d.closeInventory())
	}
	if d.kernel, err = d.openKernel(); err != nil {
		return nil, errors.Join(err, d.closeInventory())
	}
	d.boots = boots.Open(boots.Options{Database: cfg.Server.Database, Guests: d.inventory.Snapshot, State: d.state,
		StuckAfter: d.stuckAfter, Measured: d.metrics.BootPhase, Log: d.log})
	d.timeline = d.boots.Record
	d.reports = report.New(d.timeline, d.ssh)
	d.admission = admission.New(apply.AdmissionPolicy(cfg, networks.Configured(cfg)), liveGuests{d.inventory}, d.kernel, d.log)
	d.addresses = bridge.New(d.log)
	d.ports = portsecurity.New(d.store.HostID, d.guests, d.log.With("part", "port security"))
	d.networks = networks.New(cfg, d.inventory, d.store.Database, d.noteDHCP, d.log)
	d.applier = apply.New(d.applied())
	d.libvirt = d.newLibvirtSync(cfg)
	d.hosts = hosts.New(hosts.Options{Store: d.store, Inventory: d.inventory, Config: d.config.Load, Contested: d.libvirt.presence.Contested,
		Changed: d.timeline.Wake, Started: d.started, Log: d.log})
	d.reporter = d.newReporter(clock)
	d.router.Store(d.newRouter(cfg, d.networks.Describe(cfg)))
	return d, nil
}

// Close lets go of what New opened. Run has returned before.
func (d *Daemon) Close() error {
	d.closeAdmission()
	return errors.Join(d.boots.Close(), d.closeInventory())
}

// stuckAfter is how long a boot may take without a sign of progress.
func (d *Daemon) stuckAfter() time.Duration { return d.config.Load().Server.StuckAfter }

// metadataHandler serves what guests and the local host ask over TCP. It
// looks the present router up for each request, so that a reload needs no
// restart of the listener.
func (d *Daemon) metadataHandler(identify httpcommon.Identify) http.Handler {
	current := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.router.Load().ServeHTTP(w, r)
	})
	verified := d.admission.Verified(httpcommon.Normalise(current))
	return d.admission.Throttled(httpcommon.Identified(identify, d.noteRequest, verified))
}

func (d *Daemon) newReporter(clock *health.Clock) *status.Reporter {
	return status.New(status.Parts{
		Config:     d.config.Load,
		ConfigFile: d.opts.ConfigFile,
		Started:    d.started,
		Log:        d.opts.Log,
		Clock:      clock,
		Inventory:  d.inventory,
		Upkeep:     d.upkeep,
		Hosts:      d.hosts,
		Keys:       d.keys,
		Networks:   d.networks,
		Ports:      d.ports,
		Admission:  d.admission,
		KnownBy:    d.knownBy,
		Tokens:     &d.tokens,
		Libvirt:    func() api.Libvirt { return d.libvirt.status(d.config.Load()) },
		Exporter:   d.exporter,
	})
}

// status reports the state of the server.
func (d *Daemon) status() api.Status { return d.reporter.Status() }

// applied are the parts of the server that depend on the networks.
func (d *Daemon) applied() apply.Parts {
	return apply.Parts{
		Config:    d.config.Load,
		Networks:  d.networks,
		Store:     d.store,
		Inventory: d.inventory,
		HostNames: d.hostsFile,
		Admission: d.admission,
		Addresses: d.addresses,
		Ports:     d.ports,
		Answer: func(cfg *config.Config, networks []instance.Network) {
			d.router.Store(d.newRouter(cfg, networks))
		},
		Log: d.log,
	}
}

// newRouter makes what answers guests under a configuration with its networks.
func (d *Daemon) newRouter(cfg *config.Config, networks []instance.Network) *router.Router {
	return router.New(cfg, networks, router.Parts{
		Inventory: d.inventory,
		Identity:  d.keys.Identity,
		TokenKey:  d.keys.TokenKey,
		Tokens:    &d.tokens,
		Timeline:  d.timeline,
		Reports:   d.reports,
		Upload:    d.backend(d.uploading).UploadFrom,
		Rendered:  d.metrics.Render,
		Log:       d.log,
	})
}

func (d *Daemon) renderUserdata(ctx context.Context, guest *instance.Instance) ([]byte, error) {
	rendered, err := d.router.Load().Renderer.Render(ctx, guest)
	return rendered.Body, err
}

func (d *Daemon) backend(intake *admin.UploadLimiter) admin.Backend {
	return admin.Backend{
		Inventory:  d.inventory,
		Refresh:    d.applier.Refresh,
		Publish:    d.networks.Sync,
		Userdata:   d.renderUserdata,
		Complete:   d.complete,
		Unplugged:  d.unplugged,
		Export:     d.transfer.Export,
		Import:     d.transfer.Import,
		Backup:     d.backup,
		Status:     d.status,
		Explain:    d.explain,
		Brief:      d.boots.Brief,
		Boots:      d.boots.Of,
		Progress:   d.boots.Progress,
		Content:    d.timeline.Content,
		Registered: d.boots.NoteRegistered,
		Identity:   d.keys.Identity.Certificate,
		SSH:        d.ssh,
		Hosts:      d.hosts.List,
		ForgetHost: d.hosts.Forget,
		DrainHost:  d.hosts.Drain,
		RunsOn:     d.hosts.RunsOn,
		Metrics:    d.metrics.Handler(),
		Intake:     intake,
		Reload:     d.reload,
		Log:        d.log,
	}
}
