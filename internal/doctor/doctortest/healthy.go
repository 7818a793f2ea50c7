package doctortest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/account"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/doctor/system"
	"mdserver/internal/instance"
)

// Now is the time of the healthy host.
var Now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// The processes of the healthy host.
const (
	ServerPID  = 4242
	DnsmasqPID = 4243
	LibvirtPID = 500
)

// Healthy is a host on which everything is as it should be: systemd runs the
// server, which serves the guest web1 on libvirt's network mds.
func Healthy(t testing.TB) *host.Facts {
	t.Helper()
	gateway, guests := netip.MustParseAddr("10.122.0.1"), netip.MustParsePrefix("10.122.0.0/16")
	metadata := instance.Metadata4
	libvirtd := kernel.Process{PID: LibvirtPID, Name: "libvirtd", Service: "libvirtd.service", Args: []string{"/usr/sbin/libvirtd"}}
	cfg := config.Default()
	for i := range cfg.Networks {
		cfg.Networks[i].PortSecurity = true
	}
	return &host.Facts{
		Now:          Now,
		ConfigFile:   "/etc/mdserver/mdserver.conf",
		Config:       cfg,
		LibvirtState: host.StateDir{Parent: true, Exists: true},
		Clock:        system.Clock{Known: true, Synchronised: true},
		Server:       server(),
		Unit:         system.Unit{State: "active", User: "mdserver"},
		Account:      host.Account{Account: account.Account{Name: "mdserver", UID: 998, GID: 998}},
		Networks: []host.Network{{
			Name: "mds", Bridge: "br-mds", Gateway: gateway, IPv4: guests, UseDNS: true, Domain: "example.net", Order: []string{"base", "domain"},
			Run: "child", DnsmasqPID: DnsmasqPID,
			Returns: []host.Return{{Prefix: guests, Route: kernel.Route{To: netip.MustParseAddr("10.122.0.2"), Exists: true, Link: "br-mds"}}},
		}},
		Guests: host.Guests{List: []instance.Instance{Guest("web1", "10.122.0.9")}},
		Libvirt: host.Libvirt{
			Socket: "/run/libvirt/libvirt-sock", SocketFile: host.File{Path: "/run/libvirt/libvirt-sock", Mode: 0o770, GID: 110, Owner: "root", Group: "libvirt"},
			Networks: []host.LibvirtNetwork{{Name: "mds", Bridge: "br-mds", Active: true}},
			Domains:  []host.Domain{Domain(t, "web1", "<source network='mds'/>", "vnet0")},
			Daemon:   libvirtd, DaemonUnit: "libvirtd.service",
		},
		Hook: host.Hook{Path: "/etc/libvirt/hooks/qemu.d/mdserver", Executable: true, Stops: true, Oldest: Now.Add(-time.Hour), Since: Now.Add(-time.Minute)},
		Links: kernel.Links{ByName: map[string]kernel.Link{
			"br-mds": {Index: 3, Up: true, Addrs: []netip.Addr{gateway, metadata}},
			"vnet0":  {Index: 7, Up: true, Master: "br-mds"},
		}},
		Routes: map[string]kernel.Route{metadata.String(): {To: metadata, Exists: true, Local: true, Link: "lo"}},
		Sockets: kernel.Sockets{List: []kernel.Listener{
			Listener("tcp", "169.254.169.254:80", kernel.Process{PID: ServerPID, Name: "mdserver"}),
			Listener("udp", "0.0.0.0:67", kernel.Process{PID: DnsmasqPID, Name: "dnsmasq"}),
			Listener("udp", "10.122.0.1:53", kernel.Process{PID: DnsmasqPID, Name: "dnsmasq"}),
		}},
		Dnsmasq: system.Dnsmasq{Version: "Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley\n"},
	}
}

func server() host.Server {
	return host.Server{
		Status: api.Status{
			Version: "1.2.3", PID: ServerPID, Guests: 1,
			Networks: []api.Network{{Name: "mds", Bridge: "br-mds", Used: 1, Dnsmasq: &api.Dnsmasq{Mode: "child", PID: DnsmasqPID},
				PortSecurity: api.PortSecurity{On: true, Guests: 1}}},
		},
		Process: host.Credentials{UID: 998, GID: 998, User: "mdserver"},
		Dnsmasq: map[string]host.Credentials{"mds": {UID: 997, GID: 997, User: "mdserver-dnsmasq"}},
	}
}

// Guest is a guest on the network mds.
func Guest(name, ipv4 string) instance.Instance {
	return instance.Instance{Name: name, Hostname: name, UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701"), Network: "mds",
		IPv4: netip.MustParseAddr(ipv4), Presence: instance.Presence{State: instance.Present}, FirstSeen: Now.Add(-time.Hour)}
}

// Domain is a running domain with one network card that detects OpenStack.
func Domain(t testing.TB, name, source, tap string) host.Domain {
	t.Helper()
	return ParseDomain(t, "<domain><name>"+name+"</name><uuid>7e5a544d-d555-4133-a443-8229415be701</uuid><os><smbios mode='sysinfo'/></os>"+
		"<sysinfo type='smbios'><system><entry name='product'>OpenStack Nova</entry></system></sysinfo>"+
		"<devices><interface type='network'>"+source+"<target dev='"+tap+"'/><model type='virtio'/></interface></devices></domain>")
}

// ParseDomain reads a definition.
func ParseDomain(t testing.TB, text string) host.Domain {
	t.Helper()
	d, err := host.ParseDomain(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Listener is a socket of a process.
func Listener(proto, addr string, p kernel.Process) kernel.Listener {
	return kernel.Listener{Proto: proto, Addr: netip.MustParseAddrPort(addr), Holder: p}
}
