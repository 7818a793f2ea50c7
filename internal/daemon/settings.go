package daemon

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/admission"
	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/face"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/network"
	"mdserver/internal/metadata"
)

// launcherSocket is where mdserver-launcher.service listens.
const launcherSocket = "/run/mdserver-launcher/socket"

func dnsmasqSettings(cfg *config.Config, n config.Network) dnsmasq.Settings {
	return dnsmasq.Settings{
		Mode:            dnsmasq.Mode(n.Run),
		Binary:          cfg.Dnsmasq.Binary,
		User:            cfg.Dnsmasq.User,
		Launcher:        launcherSocket,
		BaseDir:         n.BaseDir,
		RunDir:          cfg.Dnsmasq.RunDir,
		NetName:         n.Name,
		Interface:       n.Interface,
		Further:         n.Name != cfg.Networks[0].Name,
		Network:         n.Network,
		Gateway:         n.Gateway,
		MetadataAddress: cfg.Server.ListenAddress,
		ListenAddress:   n.ListenAddress,
		UseDNS:          n.UseDNS,
		NTPServers:      n.NTPServers,
		DomainSearch:    n.DomainSearch,
		MTU:             n.MTU,
		Boot:            n.DHCPBoot,
		ConfFile:        n.ConfFile,
		ServeHosts:      cfg.Dnsmasq.ServeHosts,
		ForwardPlain:    !cfg.Dnsmasq.DomainNeeded,
		LeaseTime:       n.LeaseLen,
		Prefix:          n.Prefix,
		Domain:          n.Domain,
		EntryOrder:      n.EntryOrder,
		Network6:        n.Network6,
		Gateway6:        n.Gateway6,
		Rebind:          dnsmasq.Rebind(cfg.Dnsmasq.StopRebind),
		OwnPrefixes:     ownPrefixes(cfg),
		RebindDomains:   rebindDomains(cfg),
	}
}

// ownPrefixes are the networks of the configuration, and the addresses that
// the server listens at.
func ownPrefixes(cfg *config.Config) []netip.Prefix {
	var own []netip.Prefix
	for _, n := range cfg.Networks {
		own = append(own, n.Network, n.Network6)
	}
	for _, addr := range append(cfg.ListenAddresses6(), cfg.Server.ListenAddress) {
		own = append(own, netip.PrefixFrom(addr.WithZone(""), addr.BitLen()))
	}
	return own
}

// rebindDomains are the domains that may name private addresses: those of our
// networks, since the dnsmasq of one asks for names of another elsewhere, and
// those of the configuration.
func rebindDomains(cfg *config.Config) []string {
	domains := slices.Clone(cfg.Dnsmasq.RebindDomains)
	for _, n := range cfg.Networks {
		if n.Domain != "" && !slices.Contains(domains, n.Domain) {
			domains = append(domains, n.Domain)
		}
	}
	return domains
}

func libvirtSettings(cfg *config.Config, n config.Network) network.Settings {
	return network.Settings{
		Name:       n.Name,
		Endpoint:   connection.Endpoint{Session: cfg.Libvirt.URI.Session, Socket: cfg.Libvirt.URI.Socket},
		Prefix:     n.Prefix,
		EntryOrder: n.EntryOrder,
	}
}

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
func servedHosts(cfg *config.Config) *face.Hosts {
	short, _, _ := strings.Cut(cfg.Service.Hostname, ".")
	names := []string{"instance-data", "instance-data.ec2.internal", cfg.Service.Hostname, short}
	addrs := append([]netip.Addr{metadata4, metadata6, cfg.Server.ListenAddress}, cfg.ListenAddresses6()...)
	return face.NewHosts(addrs, append(names, cfg.Server.AcceptHosts...))
}

func (d *Daemon) inventoryOptions(cfg *config.Config, networks []instance.Network, refresh func(context.Context)) inventory.Options {
	return inventory.Options{
		MaxGuests:        cfg.Server.MaxGuests,
		OwnNames:         ownNames(cfg),
		Hosts:            d.hosts.Lookup,
		Refresh:          refresh,
		Networks:         networks,
		Location:         cfg.Service.Location,
		FallbackHostname: cfg.Server.HostnamePrefix,
		Quarantine:       cfg.Dnsmasq.Quarantine,
		Withheld:         d.withheld(cfg),
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
