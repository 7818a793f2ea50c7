// Package host reads from this host what doctor's checks decide on, as plain
// values. It changes nothing and judges nothing: what cannot be read is an error
// beside the value.
//
// Each file has one subject: its type, and the function that reads it.
package host

import (
	"context"
	"io/fs"
	"os"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/doctor/system"
	"mdserver/internal/etcd/cluster"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
)

// Facts are all that is known of this host. Without a valid configuration, only
// the facts are read that do not depend on it: LibvirtState, SELinux and Clock.
type Facts struct {
	Now            time.Time
	ConfigFile     string
	Config         *config.Config // nil if it is not valid
	ConfigWarnings []config.Warning
	ConfigErr      error // why it is not valid

	LibvirtState StateDir
	SELinux      system.SELinux
	Clock        system.Clock

	Server   Server
	Unit     system.Unit
	Account  Account // that the server runs as
	Networks []Network
	Guests   Guests
	Files    Files
	Database Database
	Store    Store

	Libvirt Libvirt
	Hook    Hook

	Links    kernel.Links
	Routes   map[string]kernel.Route // to the metadata addresses, by address
	Sockets  kernel.Sockets
	Trees    map[string]kernel.Tree // of the bridges with port security, by name
	Uplinks  []kernel.Uplink        // of the networks' bridges
	Roles    map[string]plan.Role   // of ports, as the kernel's table of port security has them
	RolesErr error
	Dnsmasq  system.Dnsmasq
	Firewall system.Firewall
	AppArmor system.AppArmor
	Resolver system.Resolver
}

// UnitName is the unit of systemd that runs the server.
const UnitName = "mdserver.service"

// Client asks a running server by its control socket.
type Client interface {
	Status(context.Context) (api.Status, error)
	Instances(context.Context) ([]instance.Instance, error)
	Refusals(context.Context) ([]api.Refusal, error)
	Explain(ctx context.Context, ref string) (api.Explanation, error)
}

// Inspect asks each member of an etcd cluster how it is; etcd.Inspect does. It fails if a
// file in the configuration cannot be used.
type Inspect func(context.Context, config.Store) (cluster.Inspection, error)

// reader has what can be replaced for a test.
type reader struct {
	root   fs.FS // this host's root directory
	system system.Reader
	kernel kernel.Reader
}

func newReader(root fs.FS, run system.Runner) reader {
	return reader{root, system.Reader{Root: root, Run: run}, kernel.Reader{Root: root}}
}

// Read reads all facts, with the configuration in a file. connect makes the client
// of the server once the configuration is known. inspect asks the etcd cluster, if one has
// the inventory.
func Read(ctx context.Context, configFile string, connect func(*config.Config) Client, inspect Inspect) *Facts {
	return newReader(os.DirFS("/"), system.Run).read(ctx, configFile, connect, inspect)
}

func (r reader) read(ctx context.Context, configFile string, connect func(*config.Config) Client, inspect Inspect) *Facts {
	h := &Facts{Now: time.Now(), ConfigFile: configFile}
	h.LibvirtState = r.libvirtState()
	h.SELinux = r.system.SELinux(ctx)
	h.Clock = system.ReadClock()
	h.Config, h.ConfigWarnings, h.ConfigErr = config.Load(configFile)
	if h.ConfigErr != nil {
		return h
	}
	client := connect(h.Config)
	h.Server = readServer(ctx, client, h.Config.Server.Socket)
	h.Unit = r.system.Unit(ctx, UnitName)
	h.Account = readAccount(h.Server, h.Unit)
	h.Libvirt = r.libvirt(ctx, h.Config.Libvirt.URI)
	h.Networks = networksOf(h.Config, h.Server.Status, h.Libvirt)
	noteFetched(ctx, client, h.Server, h.Libvirt.Domains)
	h.Files = readFiles(h.ConfigFile, h.Config, h.Account)
	h.Database, h.Guests = readDatabase(ctx, h.Config.Server.Database, client, h.Server)
	h.Store = readStore(ctx, h.Config.Store, inspect)
	h.Hook = r.hook(ctx, h.Libvirt.Daemon)
	h.Links = kernel.ReadLinks()
	h.Routes = routesTo(h.Config)
	for i := range h.Networks {
		n := &h.Networks[i]
		n.Returns = returns(*n, h.Links)
		n.DnsmasqPID = readPID(h.Config.Dnsmasq.RunDir, n.Name)
	}
	h.Sockets = r.kernel.Sockets()
	h.Trees = r.trees(h.Server.Status)
	h.ReadUplinks()
	h.Dnsmasq = r.dnsmasq(ctx, h.Config.Dnsmasq.Binary, h.Networks)
	h.Firewall = r.system.Firewall(ctx, bridges(h.Networks))
	h.AppArmor = r.system.AppArmor(h.Config.Dnsmasq.BaseDir, h.Config.Dnsmasq.RunDir)
	h.Resolver = r.system.Resolver(ctx)
	return h
}
