package daemon

import (
	"net/netip"

	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/metadata"
)

func dnsmasqSettings(cfg *config.Config) dnsmasq.Settings {
	c := cfg.Dnsmasq
	return dnsmasq.Settings{
		Mode:            dnsmasq.Mode(c.Run),
		Binary:          c.Binary,
		User:            c.User,
		BaseDir:         c.BaseDir,
		RunDir:          c.RunDir,
		NetName:         c.NetName,
		Interface:       c.Interface,
		Network:         c.Network,
		Gateway:         c.Gateway,
		MetadataAddress: cfg.Server.ListenAddress,
		ListenAddress:   c.ListenAddress,
		UseDNS:          c.UseDNS,
		LeaseTime:       c.LeaseLen,
		Prefix:          c.Prefix,
		Domain:          c.Domain,
		EntryOrder:      c.EntryOrder,
		Network6:        c.Network6,
		Gateway6:        c.Gateway6,
	}
}

func imdsSettings(cfg *config.Config) imds.Settings {
	return imds.Settings{
		Mode:     instance.IMDSMode(cfg.Server.IMDS),
		HopLimit: cfg.Server.IMDSHopLimit,
		Versions: cfg.Service.EC2Versions,
	}
}

func admissionPolicy(cfg *config.Config) admission.Policy {
	return admission.Policy{
		Interfaces:       cfg.GuestInterfaces(),
		VerifyMAC:        cfg.Server.VerifyMAC,
		Connections:      cfg.Server.MaxConnections,
		GuestConnections: cfg.Server.GuestConnections,
		RequestRate:      cfg.Server.RequestRate,
	}
}

func inventoryOptions(cfg *config.Config) inventory.Options {
	return inventory.Options{
		Network: instance.Network{
			Name:     cfg.Dnsmasq.NetName,
			IPv4:     cfg.Dnsmasq.Network,
			IPv6:     cfg.Dnsmasq.Network6,
			Excluded: excluded(cfg),
		},
		Location:         cfg.Service.Location,
		FallbackHostname: cfg.Server.HostnamePrefix,
		Quarantine:       cfg.Dnsmasq.Quarantine,
	}
}

func siteMetadata(cfg *config.Config) metadata.Site {
	site := metadata.Site{
		Network:         inventoryOptions(cfg).Network,
		Gateway4:        cfg.Dnsmasq.Gateway,
		Gateway6:        cfg.Dnsmasq.Gateway6,
		DNS:             guestDNS(cfg),
		Domain:          cfg.Dnsmasq.Domain,
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

// guestDNS lists the DNS servers that guests are told of: this host's own
// addresses on their network, as in the DHCP options.
func guestDNS(cfg *config.Config) []netip.Addr {
	if !cfg.Dnsmasq.UseDNS {
		return nil
	}
	servers := []netip.Addr{cfg.Dnsmasq.Gateway}
	if cfg.Dnsmasq.Gateway6.IsValid() {
		servers = append(servers, cfg.Dnsmasq.Gateway6)
	}
	return servers
}

// excluded lists what no guest may be given: the gateway, every address that
// the server or this host has, and the reserved ranges.
func excluded(cfg *config.Config) []instance.AddrRange {
	var ranges []instance.AddrRange
	own := append(hostAddresses(), cfg.Dnsmasq.Gateway, cfg.Dnsmasq.Gateway6,
		cfg.Dnsmasq.ListenAddress, cfg.Server.ListenAddress)
	own = append(own, cfg.ListenAddresses6()...)
	for _, addr := range own {
		if addr.IsValid() {
			ranges = append(ranges, instance.AddrRange{First: addr, Last: addr})
		}
	}
	for _, r := range append(cfg.Dnsmasq.Reserved, cfg.Dnsmasq.Reserved6...) {
		ranges = append(ranges, instance.AddrRange{First: r.First, Last: r.Last})
	}
	return ranges
}
