package networks

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"

	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/instance"
)

// launcherSocket is where mdserver-launcher.service listens.
const launcherSocket = "/run/mdserver-launcher/socket"

// byDnsmasq is the backend of a network that has a dnsmasq of its own.
type byDnsmasq struct {
	*dnsmasq.Service
	hostID string
}

func newDnsmasq(cfg *config.Config, n config.Network, hostID string, heard dnsmasq.OnDHCPMessage, known dnsmasq.Known, log *slog.Logger) byDnsmasq {
	service := dnsmasq.New(dnsmasqSettings(cfg, n, hostID), log)
	service.OnDHCP(heard, known)
	return byDnsmasq{service, hostID}
}

func (b byDnsmasq) reconfigure(ctx context.Context, cfg *config.Config, n config.Network, all []instance.Instance) error {
	return b.Reconfigure(ctx, dnsmasqSettings(cfg, n, b.hostID), all)
}

// retire needs no more than Close: the files are mdserver's own.
func (b byDnsmasq) retire(context.Context) error { return b.Close() }

// refresh has nothing to ask: the configuration says all of the network.
func (b byDnsmasq) refresh(context.Context) (changed bool) { return false }

func (b byDnsmasq) describe(*instance.Network) {}

func (b byDnsmasq) status() Status {
	st := b.Status()
	return Status{Trouble: st.LastError, Dnsmasq: &st}
}

func dnsmasqSettings(cfg *config.Config, n config.Network, hostID string) dnsmasq.Settings {
	return dnsmasq.Settings{
		Mode:            dnsmasq.Mode(n.Run),
		Binary:          cfg.Dnsmasq.Binary,
		User:            cfg.Dnsmasq.User,
		Launcher:        launcherSocket,
		BaseDir:         n.BaseDir,
		RunDir:          cfg.Dnsmasq.RunDir,
		NetName:         n.Name,
		HostID:          hostID,
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
