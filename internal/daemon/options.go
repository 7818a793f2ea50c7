package daemon

import (
	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/hostsfile"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
)

// inventoryOptions are the rules of the inventory, with what is withheld now.
func (d *Daemon) inventoryOptions(cfg *config.Config, networks []instance.Network) inventory.Options {
	opts := inventoryOptions(cfg, d.hostsFile, networks)
	opts.Withheld, opts.Log = d.withheld(cfg), d.log
	if d.store.Fleet != nil {
		opts.HostID, opts.HostName, opts.Alive, opts.Drained = d.store.HostID, store.HostName(cfg), d.store.Fleet.Alive, d.store.Drained
	}
	return opts
}

// withheld gives the guests whose records were set aside, as the files beside the
// database have them now.
func (d *Daemon) withheld(cfg *config.Config) []inventory.Withheld {
	all, err := boltstore.Withheld(cfg.Server.Database)
	if err != nil {
		d.log.Error("addresses of guests whose records were set aside are not reserved", "error", err)
	}
	return all
}

func inventoryOptions(cfg *config.Config, hosts *hostsfile.File, networks []instance.Network) inventory.Options {
	return inventory.Options{
		MaxGuests:        cfg.Server.MaxGuests,
		OwnNames:         ownNames(cfg),
		Hosts:            hosts.Lookup,
		Networks:         networks,
		Location:         cfg.Service.Location,
		FallbackHostname: cfg.Server.HostnamePrefix,
		Quarantine:       cfg.Dnsmasq.Quarantine,
	}
}

// admissionPolicy lets guests in by the bridges of their networks, unless the
// configuration names interfaces: there may be routers behind those.
func admissionPolicy(cfg *config.Config, networks []instance.Network) admission.Policy {
	policy := admission.Policy{
		Interfaces:       cfg.GuestInterfaces(),
		Bridges:          map[string]string{},
		Routed:           len(cfg.Server.AcceptInterfaces) > 0,
		Verify:           admission.Verify(cfg.Server.VerifyMAC),
		Connections:      cfg.Server.MaxConnections,
		GuestConnections: cfg.Server.GuestConnections,
		RequestRate:      cfg.Server.RequestRate,
	}
	if !policy.Routed {
		policy.Interfaces = []string{}
	}
	for _, n := range networks {
		if n.Bridge == "" {
			continue
		}
		policy.Bridges[n.Name] = n.Bridge
		if !policy.Routed {
			policy.Interfaces = append(policy.Interfaces, n.Bridge)
		}
	}
	return policy
}
