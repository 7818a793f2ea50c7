package doctor

import (
	"context"
	"net/netip"

	"mdserver/internal/admin"
	"mdserver/internal/config"
)

// Server is a mdserver that may be running, as its control socket shows it.
type Server interface {
	Status(context.Context) (admin.Status, error)
}

// Host is what is examined.
type Host struct {
	ConfigFile string
	Config     *config.Config // nil if the configuration does not hold
	Networks   []Network

	warnings  []config.Warning
	problem   error // of the configuration
	status    admin.Status
	statusErr error
	libvirt   view
}

// Network is one network of guests that is to be served.
type Network struct {
	Name     string // libvirt's
	Bridge   string
	Gateway  netip.Addr
	Gateway6 netip.Addr // zero: no IPv6
	IPv4     netip.Prefix
	IPv6     netip.Prefix
	Reserved []config.Range
}

// NewHost gathers what several checks need: the configuration, the server's
// state, and libvirt's view of networks and guests. connect makes the client of
// the server once the configuration is known.
func NewHost(ctx context.Context, configFile string, connect func(*config.Config) Server) *Host {
	h := &Host{ConfigFile: configFile}
	h.Config, h.warnings, h.problem = config.Load(configFile)
	if h.problem != nil {
		return h
	}
	h.Networks = networksOf(h.Config)
	h.status, h.statusErr = connect(h.Config).Status(ctx)
	h.libvirt = look()
	return h
}

func networksOf(cfg *config.Config) []Network {
	c := cfg.Dnsmasq
	return []Network{{
		Name: c.NetName, Bridge: c.Interface, Gateway: c.Gateway, Gateway6: c.Gateway6,
		IPv4: c.Network, IPv6: c.Network6, Reserved: c.Reserved,
	}}
}

// running reports whether the server answers on its control socket.
func (h *Host) running() bool { return h.statusErr == nil }

// metadataAddresses are those at which guests look for the server.
func (h *Host) metadataAddresses() []netip.Addr {
	return append([]netip.Addr{h.Config.Server.ListenAddress}, h.Config.ListenAddresses6()...)
}
