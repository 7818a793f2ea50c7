package daemon

import (
	"net/netip"
	"strings"

	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/hostsfile"
	"mdserver/internal/httpcommon"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/metadata"
)

func imdsSettings(cfg *config.Config) imds.Settings {
	return imds.Settings{
		Mode:     instance.IMDSMode(cfg.Server.IMDS),
		HopLimit: cfg.Server.IMDSHopLimit,
		Exempt:   cfg.Server.IMDSExempt,
		Versions: cfg.Service.EC2Versions,
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

// servedHosts are the addresses and names that requests may be for. cloud-init
// asks for instance-data, as Eucalyptus calls its metadata server.
func servedHosts(cfg *config.Config) *httpcommon.Hosts {
	short, _, _ := strings.Cut(cfg.Service.Hostname, ".")
	names := []string{"instance-data", "instance-data.ec2.internal", cfg.Service.Hostname, short}
	addrs := append([]netip.Addr{metadata4, metadata6, cfg.Server.ListenAddress}, cfg.ListenAddresses6()...)
	return httpcommon.NewHosts(addrs, append(names, cfg.Server.AcceptHosts...))
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

func siteMetadata(cfg *config.Config, networks []instance.Network) metadata.Site {
	site := metadata.Site{
		Networks:        networks,
		MetadataAddress: cfg.Server.ListenAddress,
		Host:            cfg.Service.Hostname,
		Location:        cfg.Service.Location,

		Region:           cfg.Service.Region,
		AvailabilityZone: cfg.Service.AvailabilityZone,
		AccountID:        cfg.Service.AccountID,
	}
	for _, key := range cfg.PublicKeys {
		site.PublicKeys = append(site.PublicKeys, metadata.PublicKey{Name: key.Name, Key: key.Key})
	}
	return site
}
