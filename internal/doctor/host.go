package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/boltstore"
)

// Server is a mdserver that may be running, as its control socket shows it.
type Server interface {
	Status(context.Context) (api.Status, error)
	Instances(context.Context) ([]instance.Instance, error)
	Refusals(context.Context) ([]api.Refusal, error)
	Explain(ctx context.Context, ref string) (api.Explanation, error)
}

// Host is what is examined.
type Host struct {
	ConfigFile string
	Config     *config.Config // nil if the configuration does not hold
	Networks   []Network

	warnings  []config.Warning
	problem   error // of the configuration
	server    Server
	status    api.Status
	statusErr error
	libvirt   view
}

// Network is one network of guests to serve.
type Network struct {
	Name     string // libvirt's
	Bridge   string
	Gateway  netip.Addr
	Gateway6 netip.Addr // zero: no IPv6
	IPv4     netip.Prefix
	IPv6     netip.Prefix
	Reserved []config.Range
	UseDNS   bool
	Prefix   string // before the guests' names in DNS
	Domain   string
	Order    []string // which names a guest has
	Run      string   // of its dnsmasq: child, external, off
	Libvirt  bool     // libvirt's own dnsmasq serves it
	Leases   int      // how many that dnsmasq grants at a time; 0 for any number
}

// ownDnsmasq reports whether a dnsmasq of mdserver's serves the network.
func (n Network) ownDnsmasq() bool { return !n.Libvirt && n.Run != "off" }

// known reports whether there is enough to look at the network: what libvirt
// alone knows of it is known while the server runs.
func (n Network) known() bool { return n.Bridge != "" && n.IPv4.IsValid() && n.Gateway.IsValid() }

// NewHost gathers what several checks need: the configuration, the server's
// state, and libvirt's view of networks and guests. connect makes the client of
// the server once the configuration is known.
func NewHost(ctx context.Context, configFile string, connect func(*config.Config) Server) *Host {
	h := &Host{ConfigFile: configFile}
	h.Config, h.warnings, h.problem = config.Load(configFile)
	if h.problem != nil {
		return h
	}
	h.server = connect(h.Config)
	h.status, h.statusErr = statusOf(ctx, h.server)
	h.Networks = networksOf(h.Config, h.status)
	h.libvirt = look(ctx, h.Config.Libvirt.URI)
	for i := range h.Networks {
		if found, ok := h.libvirt.network(h.Networks[i].Name); ok && h.Networks[i].Libvirt {
			h.Networks[i].Bridge = found.bridge
		}
	}
	return h
}

// answerTime bounds the request that finds a hanging server.
const answerTime = 5 * time.Second

func statusOf(ctx context.Context, s Server) (api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return s.Status(ctx)
}

// networksOf lists the networks of the configuration. What it leaves to libvirt
// is filled in by what the running server knows.
func networksOf(cfg *config.Config, status api.Status) []Network {
	var all []Network
	for _, c := range cfg.Networks {
		n := Network{
			Name: c.Name, Bridge: c.Interface, Gateway: c.Gateway, Gateway6: c.Gateway6,
			IPv4: c.Network, IPv6: c.Network6, Reserved: c.Reserved,
			UseDNS: c.UseDNS, Prefix: c.Prefix, Domain: c.Domain, Order: c.EntryOrder, Run: c.Run, Libvirt: c.Backend == config.BackendLibvirt,
		}
		for _, live := range status.Networks {
			if live.Name == n.Name {
				n.complete(live)
			}
		}
		all = append(all, n)
	}
	return all
}

func (n *Network) complete(live api.Network) {
	if live.Libvirt != nil {
		n.Leases = live.Libvirt.Leases
	}
	n.Bridge, n.Domain = cmp.Or(n.Bridge, live.Bridge), cmp.Or(n.Domain, live.Domain)
	if prefix, err := netip.ParsePrefix(live.IPv4); err == nil && !n.IPv4.IsValid() {
		n.IPv4, n.Gateway = prefix, prefix.Addr().Next()
	}
	if prefix, err := netip.ParsePrefix(live.IPv6); err == nil && !n.IPv6.IsValid() {
		n.IPv6, n.Gateway6 = prefix, prefix.Addr().Next()
	}
}

// running reports whether the server answers on its control socket.
func (h *Host) running() bool { return h.statusErr == nil }

// guests are those of the server, or of its database while it does not run.
func (h *Host) guests(ctx context.Context) ([]instance.Instance, error) {
	if h.running() {
		return h.server.Instances(ctx)
	}
	guests, _, err := readDatabase(ctx, h.Config.Server.Database)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return guests, err
}

// readDatabase returns the sound guests of a database that no server has open, and
// what is wrong with it. Errors: those of boltstore.OpenReader.
func readDatabase(ctx context.Context, path string) ([]instance.Instance, []boltstore.Finding, error) {
	reader, err := boltstore.OpenReader(path)
	if err != nil {
		return nil, nil, err
	}
	defer reader.Close()
	table, err := reader.Load(ctx)
	return table.Instances, reader.Findings(), err
}

// metadataAddresses are the addresses that guests request metadata from.
func (h *Host) metadataAddresses() []netip.Addr {
	return append([]netip.Addr{h.Config.Server.ListenAddress}, h.Config.ListenAddresses6()...)
}
