package router

import (
	"net/netip"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/httpcommon"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
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

// servedHosts are the addresses and names that requests may be for. cloud-init
// asks for instance-data, as Eucalyptus calls its metadata server.
func servedHosts(cfg *config.Config) *httpcommon.Hosts {
	short, _, _ := strings.Cut(cfg.Service.Hostname, ".")
	names := []string{"instance-data", "instance-data.ec2.internal", cfg.Service.Hostname, short}
	addrs := append([]netip.Addr{instance.Metadata4, instance.Metadata6, cfg.Server.ListenAddress}, cfg.ListenAddresses6()...)
	return httpcommon.NewHosts(addrs, append(names, cfg.Server.AcceptHosts...))
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
