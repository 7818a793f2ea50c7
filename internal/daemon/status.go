package daemon

import (
	"fmt"
	"os"

	"mdserver/internal/api"
	"mdserver/internal/inventory/boltstore"
)

// status reports the state of the server.
func (d *Daemon) status() api.Status {
	cfg := d.config.Load()
	snapshot := d.inventory.Snapshot()
	networks := d.networkStatus(snapshot)
	used := 0
	for _, n := range networks {
		used += n.Used
	}
	return api.Status{
		Version:   cfg.Service.Version,
		PID:       os.Getpid(),
		Started:   d.started,
		Config:    d.opts.ConfigFile,
		Listen:    fmt.Sprintf("%s:%d", cfg.Server.ListenAddress, cfg.Server.Port),
		Networks:  networks,
		Guests:    snapshot.Len(),
		NotServed: d.notServed(),
		Addresses: api.Addresses{Used: used, Resting: len(snapshot.Resting())},
		IMDS: api.IMDS{
			Mode:         cfg.Server.IMDS,
			Tokens:       d.tokens.Tokens.Load(),
			WithoutToken: d.tokens.WithoutToken.Load(),
			Refused:      d.tokens.Refused.Load(),
		},
		Identity: d.knownBy(),
		Refused:  d.admission.Counts(),
		Libvirt:  d.libvirt.status(cfg),
		Dnsmasq:  firstDnsmasq(networks),
		SetAside: boltstore.Asides(cfg.Server.Database),
		Withheld: d.upkeep.Withheld(),
		Store:    d.hosts.Store(networks),
		Health:   d.health(),
	}
}

func (d *Daemon) notServed() api.NotServed {
	refused, unserved := d.inventory.Refusals().Count()
	return api.NotServed{Refused: refused, Unserved: unserved}
}
