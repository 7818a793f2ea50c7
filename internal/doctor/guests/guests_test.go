package guests

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/account"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/doctor/doctortest"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/instance"
)

var when = doctortest.When

var errNoAnswer = errors.New("no answer")

// noLibvirt is a host whose libvirt does not answer.
func noLibvirt(h *host.Facts) {
	h.Libvirt = host.Libvirt{Err: errNoAnswer, DaemonUnit: "virtqemud.service"}
}

func unanswered(err error) func(*host.Facts) {
	return func(h *host.Facts) { noLibvirt(h); h.Libvirt.Err = fmt.Errorf("connecting to libvirt: %w", err) }
}

func TestLibvirt(t *testing.T) {
	socket := func(mode fs.FileMode, gid uint32, member, groups []uint32) func(*host.Facts) {
		return func(h *host.Facts) {
			h.Networks[0].Libvirt = true
			h.Libvirt.SocketFile.Mode, h.Libvirt.SocketFile.GID = fs.ModeSocket|mode, gid
			h.Account.Member, h.Account.Groups = member, groups
		}
	}
	polkit := func(change func(*host.Facts)) func(*host.Facts) {
		return func(h *host.Facts) { change(h); h.Libvirt.Polkit = host.Guard{On: true, GID: 110, Group: "libvirt"} }
	}
	with := func(change, further func(*host.Facts)) func(*host.Facts) {
		return func(h *host.Facts) { change(h); further(h) }
	}
	in := []uint32{110}
	doctortest.Golden(t, "libvirt", []doctortest.Case{
		when("answers", Libvirt, nil),
		when("is off", Libvirt, func(h *host.Facts) { h.Libvirt.Err = host.ErrOff }),
		when("takes too long", Libvirt, unanswered(errors.Join(context.DeadlineExceeded, fs.ErrNotExist))),
		when("denied", Libvirt, unanswered(syscall.EACCES)),
		when("refused", Libvirt, unanswered(syscall.ECONNREFUSED)),
		when("no socket", Libvirt, unanswered(syscall.ENOENT)),
		when("answers with an error", Libvirt, unanswered(errors.New("unknown procedure"))),

		when("the user was never in the group", Libvirt, socket(0o770, 110, nil, nil)),
		when("the user has joined the group since", Libvirt, socket(0o770, 110, in, nil)),
		when("the user has joined the group since, without systemd", Libvirt, with(socket(0o770, 110, in, nil), func(h *host.Facts) { h.Unit.State = "" })),
		when("the user is in the group", Libvirt, socket(0o770, 110, in, in)),
		when("the user has left the group", Libvirt, socket(0o770, 110, nil, in)),
		when("no network is libvirt's", Libvirt, with(socket(0o770, 110, nil, nil), func(h *host.Facts) { h.Networks[0].Libvirt = false })),
		when("the server is root", Libvirt, with(socket(0o700, 0, nil, nil), func(h *host.Facts) { h.Account.Account = account.Account{Name: "root"} })),
		when("the server's user is not known", Libvirt, with(socket(0o770, 110, nil, nil), func(h *host.Facts) { h.Account.Err = errors.New("unknown user") })),
		when("the socket has gone", Libvirt, with(socket(0o770, 110, nil, nil), func(h *host.Facts) { h.Libvirt.SocketFile.Err = fs.ErrNotExist })),
		when("a socket for all", Libvirt, socket(0o777, 110, nil, nil)),
		when("polkit guards it", Libvirt, polkit(socket(0o777, 0, nil, nil))),
		when("polkit lets it in", Libvirt, polkit(socket(0o777, 0, nil, in))),
		when("polkit guards no socket of the group", Libvirt, polkit(socket(0o770, 120, nil, in))),
		when("a socket of root's alone", Libvirt, socket(0o700, 0, nil, nil)),
		when("root's group", Libvirt, socket(0o770, 0, nil, nil)),
		when("a group that may only read", Libvirt, socket(0o750, 110, in, in)),
		when("a group without rights", Libvirt, socket(0o700, 110, in, in)),

		when("state", State, nil),
		when("state: libvirt is not there", State, func(h *host.Facts) { h.LibvirtState = host.StateDir{} }),
		when("state: missing", State, func(h *host.Facts) { h.LibvirtState.Exists = false }),
	})
}

func TestNetworks(t *testing.T) {
	undefined := func(h *host.Facts) { h.Libvirt.Networks = nil }
	unbridged := func(h *host.Facts) { undefined(h); delete(h.Links.ByName, "br-mds") }
	lacking := func(name string, others ...string) func(*host.Facts) {
		return func(h *host.Facts) {
			h.Networks[0].Name, h.Networks[0].Libvirt, h.Libvirt.Networks = name, true, nil
			for _, other := range others {
				h.Libvirt.Networks = append(h.Libvirt.Networks, host.LibvirtNetwork{Name: other})
			}
		}
	}
	differs := func(h *host.Facts) { h.Libvirt.Networks[0].Bridge = "virbr7" }
	doctortest.Golden(t, "networks", []doctortest.Case{
		when("started", Networks, nil),
		when("libvirt does not answer", Networks, noLibvirt),
		when("not defined, with a bridge", Networks, undefined),
		when("not defined, without a bridge", Networks, unbridged),
		when("not started", Networks, func(h *host.Facts) { h.Libvirt.Networks[0].Active = false; differs(h) }),
		when("started, and its bridge has gone", Networks, func(h *host.Facts) { delete(h.Links.ByName, "br-mds") }),
		when("not started, and so without a bridge", Networks, func(h *host.Facts) {
			h.Libvirt.Networks[0].Active = false
			delete(h.Links.ByName, "br-mds")
		}),
		when("not started, in a session", Networks, func(h *host.Facts) {
			h.Libvirt.Networks[0].Active = false
			h.Config.Libvirt.URI = config.LibvirtURI{Session: true}
		}),
		when("another bridge", Networks, differs),
		when("another bridge, in a section of its own", Networks, func(h *host.Facts) {
			differs(h)
			doctortest.Configure(t, h, "[network mds]\ninterface = br-mds\nnet_address = 10.122.0.0\nnet_prefix = 16\ngateway = 10.122.0.1\n")
		}),
		when("another bridge, and the server does not run", Networks, func(h *host.Facts) { differs(h); h.Server.Err = errNoAnswer }),
		when("libvirt's, and started", Networks, func(h *host.Facts) { h.Networks[0].Libvirt = true }),
		when("another bridge, by libvirt", Networks, func(h *host.Facts) { differs(h); h.Networks[0].Libvirt = true }),
		when("no bridge of libvirt's", Networks, func(h *host.Facts) { h.Libvirt.Networks[0].Bridge = "" }),
		when("libvirt's default network is missing", Networks, func(h *host.Facts) { lacking("default")(h); h.Libvirt.StockNetwork = true }),
		when("libvirt's default network is missing, and so is its definition", Networks, lacking("default")),
		when("libvirt's network is missing", Networks, func(h *host.Facts) { lacking("lab", "default", "a b")(h); h.Libvirt.StockNetwork = true }),
	})
}

func TestHook(t *testing.T) {
	missing := func(h *host.Facts) { h.Hook = host.Hook{} }
	daemon := func(p kernel.Process) func(*host.Facts) {
		return func(h *host.Facts) { missing(h); h.Libvirt.Daemon = p }
	}
	installed := func(after time.Duration) func(*host.Facts) {
		return func(h *host.Facts) { h.Hook.Oldest = h.Hook.Since.Add(after) }
	}
	doctortest.Golden(t, "hook", []doctortest.Case{
		when("has been read", Hook, nil),
		when("denied", Hook, func(h *host.Facts) { h.Hook = host.Hook{Denied: true} }),
		when("missing", Hook, missing),
		when("missing, and no daemon runs", Hook, daemon(kernel.Process{})),
		when("missing, and no systemd runs the daemon", Hook, daemon(kernel.Process{PID: 500, Name: "libvirtd", Args: []string{"/usr/sbin/libvirtd", "-v"}})),
		when("missing, and the daemon has just ended", Hook, daemon(kernel.Process{PID: 500, Name: "libvirtd"})),
		when("not executable", Hook, func(h *host.Facts) { h.Hook.Executable = false }),
		when("of an earlier version", Hook, func(h *host.Facts) { h.Hook.Stops = false }),
		when("of an earlier version, on a host of several", Hook, func(h *host.Facts) { h.Hook.Stops, h.Config.Store.Backend = false, config.BackendEtcd }),
		when("of an earlier version, on a host of several that follows no events", Hook, func(h *host.Facts) {
			h.Hook.Stops, h.Config.Store.Backend, h.Config.Libvirt.URI.Off = false, config.BackendEtcd, true
		}),
		when("of an earlier version, on a single host that follows no events", Hook, func(h *host.Facts) { h.Hook.Stops, h.Config.Libvirt.URI.Off = false, true }),
		when("of this version, on a host of several that follows no events", Hook, func(h *host.Facts) {
			h.Config.Store.Backend, h.Config.Libvirt.URI.Off = config.BackendEtcd, true
		}),
		when("no daemon runs", Hook, func(h *host.Facts) { h.Libvirt.Daemon = kernel.Process{} }),
		when("the daemon's start is not known", Hook, func(h *host.Facts) { h.Hook.SinceErr = errNoAnswer }),
		when("installed a second after the daemon's start", Hook, installed(time.Second)),
		when("installed later", Hook, installed(time.Second+1)),

		when("selinux", SELinux, nil),
		when("selinux: allowed", SELinux, func(h *host.Facts) { h.SELinux.Enforcing, h.SELinux.Hooks = true, true }),
		when("selinux: blocked", SELinux, func(h *host.Facts) { h.SELinux.Enforcing = true }),
		when("selinux: not known", SELinux, func(h *host.Facts) { h.SELinux.Enforcing, h.SELinux.Err = true, errNoAnswer }),
	})
}

func TestGuests(t *testing.T) {
	domains := func(all ...host.Domain) func(*host.Facts) { return func(h *host.Facts) { h.Libvirt.Domains = all } }
	ours := doctortest.Domain(t, "web1", "<source network='mds'/>", "vnet0")
	other := doctortest.Domain(t, "db 1", "<source network='lan'/>", "vnet1")
	plain := doctortest.ParseDomain(t, "<domain><name>old</name><devices><interface type='network'><source network='lan'/></interface></devices></domain>")
	many := doctortest.ParseDomain(t, "<domain><name>many</name><devices><interface type='network'><source network='lan'/></interface>"+
		"<interface type='bridge'><source bridge='br9'/></interface><interface type='user'/><interface type='network'><source network='a'/></interface>"+
		"<interface type='network'><source network='lan'/></interface></devices></domain>")
	refused := func(h *host.Facts) {
		h.Server.Refusals = []api.Refusal{
			{Name: "web 8", State: api.Refused, Reason: "its name is taken", Advice: []string{"rename it"}, Source: instance.ByHook},
			{Name: "web9", State: api.Refused, Reason: "no MAC", Source: instance.ByLocal},
			{Name: "lan1", State: api.Unserved, Reason: "no network"},
		}
	}
	doctortest.Golden(t, "guests", []doctortest.Case{
		when("served", Guests, nil),
		when("no domains", Guests, domains()),
		when("libvirt does not answer", Guests, noLibvirt),
		when("domains are refused", Guests, refused),
		when("domains are refused, and libvirt does not answer", Guests, func(h *host.Facts) { refused(h); noLibvirt(h) }),
		when("refusals are not known", Guests, func(h *host.Facts) { refused(h); h.Server.RefusalsErr = errNoAnswer }),
		when("by the name alone", Guests, func(h *host.Facts) { h.Libvirt.Networks = nil }),
		when("by the bridge", Guests, domains(doctortest.Domain(t, "web1", "<source bridge='br-mds'/>", ""))),
		when("by the bridge of another network of libvirt's", Guests, func(h *host.Facts) {
			domains(other)(h)
			h.Libvirt.Networks = append(h.Libvirt.Networks, host.LibvirtNetwork{Name: "lan", Bridge: "br-mds"})
		}),
		when("no bridge is known", Guests, func(h *host.Facts) { domains(other)(h); h.Networks[0].Bridge = "" }),
		when("one is made for the server", Guests, domains(ours, other)),
		when("one is not made for the server", Guests, domains(ours, plain)),
		when("the first of a host", Guests, domains(plain)),
		when("several places", Guests, domains(many)),
		when("without a network card", Guests, domains(doctortest.ParseDomain(t, "<domain><name>none</name></domain>"))),
	})
}

func TestTaps(t *testing.T) {
	on := func(master string) func(*host.Facts) {
		return func(h *host.Facts) { h.Links.ByName["vnet0"] = kernel.Link{Index: 7, Master: master} }
	}
	doctortest.Golden(t, "taps", []doctortest.Case{
		when("on its bridge", Taps, nil),
		when("libvirt does not answer", Taps, noLibvirt),
		when("the interfaces are not known", Taps, func(h *host.Facts) { h.Links.Err = errNoAnswer }),
		when("on no bridge", Taps, on("")),
		when("on another bridge", Taps, on("virbr0")),
		when("on a port of Open vSwitch", Taps, on("ovs-system")),
		when("the guest does not run", Taps, func(h *host.Facts) { delete(h.Links.ByName, "vnet0") }),
		when("the bridge is missing", Taps, func(h *host.Facts) { on("")(h); delete(h.Links.ByName, "br-mds") }),
		when("on a network that is not served", Taps, func(h *host.Facts) {
			on("")(h)
			h.Networks[0].Name, h.Networks[0].Bridge = "lab", "br-lab"
		}),
	})
}

func TestNames(t *testing.T) {
	older := func(g instance.Instance, by time.Duration) instance.Instance {
		g.FirstSeen = g.FirstSeen.Add(-by)
		return g
	}
	with := func(change func(g *instance.Instance)) func(*host.Facts) {
		return func(h *host.Facts) {
			second := doctortest.Guest("web2", "10.122.0.10")
			second.Hostname = "WEB1"
			change(&second)
			h.Guests.List = append(h.Guests.List, second)
		}
	}
	doctortest.Golden(t, "names", []doctortest.Case{
		when("unique", Names, nil),
		when("not known", Names, func(h *host.Facts) { h.Guests.Err = errNoAnswer }),
		when("the same name in other letters", Names, with(func(*instance.Instance) {})),
		when("the second is older", Names, with(func(g *instance.Instance) { *g = older(*g, time.Minute) })),
		when("as old, and before it by name", Names, with(func(g *instance.Instance) { g.Name = "a b" })),
		when("three guests", Names, func(h *host.Facts) {
			with(func(*instance.Instance) {})(h)
			with(func(g *instance.Instance) { g.Name = "web3" })(h)
		}),
		when("on another network", Names, with(func(g *instance.Instance) { g.Network = "lan" })),
		when("the second is gone", Names, with(func(g *instance.Instance) { g.Presence.State = instance.Gone })),
		when("the second has moved away", Names, with(func(g *instance.Instance) { g.Presence.State = instance.Away })),
		when("by the prefix", Names, func(h *host.Facts) {
			with(func(g *instance.Instance) { g.Hostname = "vm-web1" })(h)
			h.Networks[0].Prefix, h.Networks[0].Order = "VM-", []string{"base", "prefix"}
		}),
		when("by the domain", Names, func(h *host.Facts) {
			with(func(g *instance.Instance) { g.Hostname = "web1.example.net" })(h)
			h.Networks[0].Domain = "Example.NET"
		}),
	})
}

func TestImages(t *testing.T) {
	const plainID, awsID, swappedID = "7e5a544d-d555-4133-a443-8229415be701", "ec2a544d-d555-4133-a443-8229415be701", "45e12aec-dcd1-4213-94ed-012345abcdef"
	card := func(source, model string) string {
		return fmt.Sprintf("<interface type='network'><mac address='52:54:00:00:00:01'/><source network='%s'/><model type='%s'/></interface>", source, model)
	}
	const sata = "<disk type='file' device='disk'><target dev='sda' bus='sata'/></disk>"
	devices := func(devices string, change ...func(*host.Domain)) func(*host.Facts) {
		return func(h *host.Facts) {
			d := doctortest.ParseDomain(t, "<domain><name>web 1</name><uuid>"+plainID+"</uuid><devices>"+devices+"</devices></domain>")
			for _, c := range change {
				c(&d)
			}
			h.Libvirt.Domains = []host.Domain{d}
		}
	}
	fetched := func(d *host.Domain) { d.Fetched = true }
	smbios := func(imds, uuid, name, value string, change ...func(*host.Domain)) func(*host.Facts) {
		return func(h *host.Facts) {
			d := doctortest.ParseDomain(t, "<domain><name>web 1</name><uuid>"+uuid+"</uuid><os><smbios mode='sysinfo'/></os>"+
				"<sysinfo type='smbios'><system><entry name='"+name+"'>"+value+"</entry></system></sysinfo><devices>"+card("mds", "virtio")+"</devices></domain>")
			for _, c := range change {
				c(&d)
			}
			h.Libvirt.Domains = []host.Domain{d}
			h.Config.Server.IMDS = imds
		}
	}
	metadata := func(key, value string) func(*host.Domain) {
		return func(d *host.Domain) { d.Metadata.Values = map[string]string{key: value} }
	}
	const seed = "ds=nocloud;s=http://169.254.169.254/nocloud/"
	doctortest.Golden(t, "images", []doctortest.Case{
		when("drivers", Drivers, nil),
		when("drivers: libvirt does not answer", Drivers, noLibvirt),
		when("drivers: a card", Drivers, devices(card("mds", "e1000"))),
		when("drivers: a card and a disk", Drivers, devices(card("mds", "pcnet")+sata)),
		when("drivers: a card and a disk that the guest has used", Drivers, devices(card("mds", "pcnet")+sata, fetched)),
		when("drivers: a disk of another's guest", Drivers, devices(card("lan", "pcnet")+sata)),
		when("drivers: a card on another network", Drivers, devices(card("lan", "e1000")+card("mds", "virtio"))),

		when("datasource", Datasource, nil),
		when("datasource: libvirt does not answer", Datasource, noLibvirt),
		when("datasource: none, on another network", Datasource, devices(card("lan", "virtio"))),
		when("datasource: none", Datasource, devices(card("mds", "virtio"))),
		when("datasource: none, and it has fetched its metadata", Datasource, devices(card("mds", "virtio"), fetched)),
		when("datasource: OpenStack", Datasource, smbios("optional", plainID, "product", "OpenStack Nova")),
		when("datasource: NoCloud", Datasource, smbios("optional", plainID, "serial", seed+";dsmode=net")),
		when("datasource: NoCloud of some images", Datasource, smbios("optional", plainID, "serial", seed)),
		when("datasource: NoCloud of some images, and it has fetched its metadata", Datasource, smbios("optional", plainID, "serial", seed, fetched)),
		when("datasource: OpenStack without tokens", Datasource, smbios("off", plainID, "product", "OpenStack Nova")),
		when("datasource: AWS", Datasource, smbios("optional", awsID, "serial", awsID)),
		when("datasource: AWS without tokens", Datasource, smbios("off", awsID, "serial", awsID)),
		when("datasource: AWS by an old cloud-init alone", Datasource, smbios("optional", awsID, "product", "OpenStack Nova")),
		when("datasource: AWS if its UUID is read backwards", Datasource, smbios("optional", swappedID, "product", "OpenStack Nova")),
		when("datasource: OpenStack where tokens are required", Datasource, smbios("required", plainID, "product", "OpenStack Nova")),
		when("datasource: NoCloud where tokens are required", Datasource, smbios("required", plainID, "serial", seed+";dsmode=net")),
		when("datasource: a clone of EC2 where tokens are required", Datasource, smbios("required", plainID, "manufacturer", "e24cloud")),
		when("datasource: OpenStack, and the guest requires tokens", Datasource, smbios("optional", plainID, "product", "OpenStack Nova", metadata(instance.KeyIMDS, "required"))),
		when("datasource: OpenStack, and the guest exempts NoCloud", Datasource, smbios("required", plainID, "product", "OpenStack Nova", metadata(instance.KeyIMDSExempt, "nocloud"))),
	})
}
