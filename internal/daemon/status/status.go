// Package status reports how the server is: its state for commands, its health, and the
// status line. It asks the parts, and remembers since when something is wrong.
package status

import (
	"fmt"
	"os"
	"time"

	"mdserver/internal/admission"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/daemon/hosts"
	"mdserver/internal/daemon/keys"
	"mdserver/internal/daemon/upkeep"
	"mdserver/internal/exporter"
	"mdserver/internal/health"
	"mdserver/internal/imds"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logging"
	"mdserver/internal/networks"
	"mdserver/internal/portsecurity"
)

// Parts are the parts of the server that are asked.
type Parts struct {
	Config     func() *config.Config
	ConfigFile string
	Started    time.Time
	Log        *logging.Log
	Clock      *health.Clock // made when the server started

	Inventory *inventory.Inventory
	Upkeep    *upkeep.Upkeep
	Hosts     *hosts.Hosts
	Keys      *keys.Keys
	Networks  *networks.Networks
	Ports     *portsecurity.Reconciler
	Admission *admission.Admission
	KnownBy   func() string // the way of identifying guests
	Tokens    *imds.Counts
	Libvirt   func() api.Libvirt
	Exporter  *exporter.Exporter
}

// Reporter reports how the server is.
type Reporter struct {
	parts Parts

	monitor health.Monitor
	disks   health.Patience
}

// New makes a Reporter of a server that starts.
func New(parts Parts) *Reporter { return &Reporter{parts: parts} }

// Status is the state of the server.
func (r *Reporter) Status() api.Status {
	cfg := r.parts.Config()
	snapshot := r.parts.Inventory.Snapshot()
	networks := r.networkStatus(snapshot)
	used := 0
	for _, n := range networks {
		used += n.Used
	}
	return api.Status{
		Version:   cfg.Service.Version,
		PID:       os.Getpid(),
		Started:   r.parts.Started,
		Config:    r.parts.ConfigFile,
		Listen:    fmt.Sprintf("%s:%d", cfg.Server.ListenAddress, cfg.Server.Port),
		Networks:  networks,
		Guests:    snapshot.Len(),
		NotServed: r.notServed(),
		Addresses: api.Addresses{Used: used, Resting: len(snapshot.Resting())},
		IMDS: api.IMDS{
			Mode:         cfg.Server.IMDS,
			Tokens:       r.parts.Tokens.Tokens.Load(),
			WithoutToken: r.parts.Tokens.WithoutToken.Load(),
			Refused:      r.parts.Tokens.Refused.Load(),
		},
		Identity: r.parts.KnownBy(),
		Refused:  r.parts.Admission.Counts(),
		Libvirt:  r.parts.Libvirt(),
		Dnsmasq:  firstDnsmasq(networks),
		SetAside: boltstore.Asides(cfg.Server.Database),
		Withheld: r.parts.Upkeep.Withheld(),
		Store:    r.parts.Hosts.Store(networks),
		Health:   r.Health(),
	}
}

func (r *Reporter) notServed() api.NotServed {
	refused, unserved := r.parts.Inventory.Refusals().Count()
	return api.NotServed{Refused: refused, Unserved: unserved}
}
