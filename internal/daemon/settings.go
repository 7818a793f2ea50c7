package daemon

import (
	"net/netip"
	"slices"

	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/metadata"
)

func dnsmasqSettings(cfg *config.Config, n config.Network) dnsmasq.Settings {
	return dnsmasq.Settings{
		Mode:            dnsmasq.Mode(n.Run),
		Binary:          cfg.Dnsmasq.Binary,
		User:            cfg.Dnsmasq.User,
		BaseDir:         n.BaseDir,
		RunDir:          cfg.Dnsmasq.RunDir,
		NetName:         n.Name,
		Interface:       n.Interface,
		Network:         n.Network,
		Gateway:         n.Gateway,
		MetadataAddress: cfg.Server.ListenAddress,
		ListenAddress:   n.ListenAddress,
		UseDNS:          n.UseDNS,
		LeaseTime:       n.LeaseLen,
		Prefix:          n.Prefix,
		Domain:          n.Domain,
		EntryOrder:      n.EntryOrder,
		Network6:        n.Network6,
		Gateway6:        n.Gateway6,
	}
}

func imdsSettings(cfg *config.Config) imds.Settings {
	return imds.Settings{
		Mode:     instance.IMDSMode(cfg.Server.IMDS),
		HopLimit: cfg.Server.IMDSHopLimit,
		Versions: cfg.Service.EC2Versions,
	}
}

// admissionPolicy lets guests in by the bridges of their networks, unless the
// configuration names interfaces: there may be routers behind those.
func admissionPolicy(cfg *config.Config, networks []instance.Network) admission.Policy {
	policy := admission.Policy{
		Interfaces:       cfg.GuestInterfaces(),
		VerifyMAC:        cfg.Server.VerifyMAC,
		Connections:      cfg.Server.MaxConnections,
		GuestConnections: cfg.Server.GuestConnections,
		RequestRate:      cfg.Server.RequestRate,
	}
	if len(cfg.Server.AcceptInterfaces) > 0 {
		return policy
	}
	policy.Interfaces, policy.Bridges = []string{}, map[string]string{}
	for _, n := range networks {
		if n.Bridge != "" {
			policy.Interfaces = append(policy.Interfaces, n.Bridge)
			policy.Bridges[n.Name] = n.Bridge
		}
	}
	return policy
}

func inventoryOptions(cfg *config.Config, networks []instance.Network) inventory.Options {
	return inventory.Options{
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

// configuredNetworks are the networks as the configuration has them.
func configuredNetworks(cfg *config.Config) []instance.Network {
	networks := make([]instance.Network, 0, len(cfg.Networks))
	own := ownAddresses(cfg)
	for _, n := range cfg.Networks {
		networks = append(networks, instance.Network{
			Name: n.Name, Bridge: n.Interface,
			IPv4: n.Network, IPv6: n.Network6, Excluded: excluded(n, own),
			Gateway4: n.Gateway, Gateway6: n.Gateway6, DNS: guestDNS(n), Domain: n.Domain,
		})
	}
	return networks
}

// guestDNS lists the DNS servers that guests are told of: this host's own
// addresses on their network, as in the DHCP options.
func guestDNS(n config.Network) []netip.Addr {
	if !n.UseDNS {
		return nil
	}
	servers := []netip.Addr{n.Gateway}
	if n.Gateway6.IsValid() {
		servers = append(servers, n.Gateway6)
	}
	return servers
}

// ownAddresses are every address that the server or this host has.
func ownAddresses(cfg *config.Config) []netip.Addr {
	own := append(hostAddresses(), cfg.Server.ListenAddress)
	return append(own, cfg.ListenAddresses6()...)
}

// excluded lists what no guest of a network may be given: the gateway, this
// host's own addresses, and the reserved ranges.
func excluded(n config.Network, own []netip.Addr) []instance.AddrRange {
	var ranges []instance.AddrRange
	for _, addr := range slices.Concat(own, []netip.Addr{n.Gateway, n.Gateway6, n.ListenAddress}) {
		if addr.IsValid() {
			ranges = append(ranges, instance.AddrRange{First: addr, Last: addr})
		}
	}
	for _, r := range slices.Concat(n.Reserved, n.Reserved6) {
		ranges = append(ranges, instance.AddrRange{First: r.First, Last: r.Last})
	}
	return ranges
}
