package apply

import (
	"log/slog"

	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/hostsfile"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

// InventoryOptions are the rules of the inventory under a configuration with its
// networks, with what is withheld now. No guest may have a name that hosts has.
func InventoryOptions(cfg *config.Config, networks []instance.Network, s *store.Store, hosts *hostsfile.File, log *slog.Logger) inventory.Options {
	opts := rules(cfg, hosts, networks)
	opts.Withheld, opts.Log = withheld(cfg, log), log
	if s.Fleet != nil {
		opts.HostID, opts.HostName, opts.Alive, opts.Drained = s.HostID, store.HostName(cfg), s.Fleet.Alive, s.Drained
	}
	return opts
}

// withheld gives the guests whose records were set aside, as the files beside the
// database have them now.
func withheld(cfg *config.Config, log *slog.Logger) []storage.Withheld {
	all, err := boltstore.Withheld(cfg.Server.Database)
	if err != nil {
		log.Error("addresses of guests whose records were set aside are not reserved", "error", err)
	}
	return all
}

// rules are the InventoryOptions that the configuration and this host's names give.
func rules(cfg *config.Config, hosts *hostsfile.File, networks []instance.Network) inventory.Options {
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

// AdmissionPolicy lets guests in by the bridges of their networks, unless the
// configuration names interfaces: there may be routers behind those.
func AdmissionPolicy(cfg *config.Config, networks []instance.Network) admission.Policy {
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
