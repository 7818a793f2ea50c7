package network

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/doctor/doctortest"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/doctor/system"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/table"
)

var (
	when        = doctortest.When
	errNoAnswer = errors.New("no answer")
	addr        = netip.MustParseAddr
	prefix      = netip.MustParsePrefix
)

// link changes the bridge of the healthy host.
func link(change func(*kernel.Link)) func(*host.Facts) {
	return func(h *host.Facts) {
		b := h.Links.ByName["br-mds"]
		change(&b)
		h.Links.ByName["br-mds"] = b
	}
}

func noBridge(h *host.Facts) { delete(h.Links.ByName, "br-mds") }

func noLibvirt(h *host.Facts) { h.Libvirt = host.Libvirt{Err: errNoAnswer} }

// unknownNetwork is one that libvirt alone knows.
func unknownNetwork(h *host.Facts) {
	h.Networks[0] = host.Network{Name: "mds", Bridge: "br-mds", Libvirt: true, Run: "off"}
}

// sixth adds IPv6 to the network of the healthy host.
func sixth(h *host.Facts) {
	h.Networks[0].IPv6, h.Networks[0].Gateway6 = prefix("fd00:1::/64"), addr("fd00:1::1")
}

func both(changes ...func(*host.Facts)) func(*host.Facts) {
	return func(h *host.Facts) {
		for _, change := range changes {
			change(h)
		}
	}
}

func listen6(addrs ...string) func(*host.Facts) {
	return func(h *host.Facts) {
		h.Config.Server.Listen6 = config.Listen6{}
		for _, a := range addrs {
			h.Config.Server.Listen6.Addresses = append(h.Config.Server.Listen6.Addresses, addr(a))
		}
	}
}

func port(n int) func(*host.Facts) {
	return func(h *host.Facts) { h.Config.Server.Port = n }
}

func TestBridges(t *testing.T) {
	without := func(lost string) func(*host.Facts) {
		return link(func(b *kernel.Link) {
			var left []netip.Addr
			for _, a := range b.Addrs {
				if a != addr(lost) {
					left = append(left, a)
				}
			}
			b.Addrs = left
		})
	}
	undefined := func(h *host.Facts) { h.Libvirt.Networks = nil }
	other := func(h *host.Facts) { h.Networks[0].Name = "lab" }
	owner := func(active bool) func(*host.Facts) {
		return func(h *host.Facts) {
			h.Libvirt.Networks = []host.LibvirtNetwork{{Name: "theirs", Bridge: "br-mds", Active: active}}
		}
	}
	doctortest.Golden(t, "bridges", []doctortest.Case{
		when("well", Bridges, nil),
		when("the interfaces are not known", Bridges, func(h *host.Facts) { h.Links.Err = errNoAnswer }),
		when("libvirt alone knows the network", Bridges, unknownNetwork),
		when("down", Bridges, link(func(b *kernel.Link) { b.Up = false })),
		when("without the router's address", Bridges, without("10.122.0.1")),
		when("without the router's address, which libvirt sets", Bridges, both(without("10.122.0.1"), other, owner(true))),
		when("without the router's address, and libvirt does not know the bridge", Bridges, both(without("10.122.0.1"), undefined)),
		when("without the metadata address", Bridges, without("169.254.169.254")),
		when("another interface has the metadata address", Bridges, both(without("169.254.169.254"), func(h *host.Facts) {
			h.Links.ByName["lo"] = kernel.Link{Addrs: []netip.Addr{addr("169.254.169.254")}}
		})),
		when("on every address", Bridges, both(without("169.254.169.254"), func(h *host.Facts) { h.Config.Server.ListenAddress = netip.IPv4Unspecified() })),
		when("on the loopback address", Bridges, func(h *host.Facts) { h.Config.Server.ListenAddress = addr("127.0.0.1") }),
		when("without addresses of IPv6", Bridges, both(sixth, listen6("fe80::a9fe:a9fe%br-mds", "fd00:ec2::254", "fe80::1%br9"))),
		when("with all addresses of IPv6", Bridges, both(sixth, listen6("fe80::a9fe:a9fe%br-mds"), link(func(b *kernel.Link) {
			b.Addrs = append(b.Addrs, addr("fd00:1::1"), addr("fe80::a9fe:a9fe"))
		}))),

		when("missing, and libvirt's network is started", Bridges, noBridge),
		when("missing, and libvirt's network is not started", Bridges, both(noBridge, func(h *host.Facts) { h.Libvirt.Networks[0].Active = false })),
		when("missing, and a network of another name is not started", Bridges, both(noBridge, other, owner(false))),
		when("missing, and libvirt makes it", Bridges, both(noBridge, undefined, func(h *host.Facts) { h.Networks[0].Libvirt = true })),
		when("missing, and libvirt does not answer", Bridges, both(noBridge, noLibvirt)),
		when("missing and not defined", Bridges, both(noBridge, undefined)),
	})
}

func TestRoutes(t *testing.T) {
	metadata := func(change func(*kernel.Route)) func(*host.Facts) {
		return func(h *host.Facts) {
			r := kernel.Route{To: addr("169.254.169.254"), Link: "no interface"}
			change(&r)
			h.Routes = map[string]kernel.Route{"169.254.169.254": r}
		}
	}
	elsewhere := func(r *kernel.Route) { r.Exists, r.Link = true, "eth0" }
	missing := metadata(func(*kernel.Route) {})
	back := func(change func(*kernel.Route)) func(*host.Facts) {
		return func(h *host.Facts) {
			change(&h.Networks[0].Returns[0].Route)
		}
	}
	by := func(prefixes ...string) func(*kernel.Route) {
		return func(r *kernel.Route) {
			r.Link = "eth 0"
			for _, p := range prefixes {
				r.By = append(r.By, prefix(p))
			}
		}
	}
	return6 := func(h *host.Facts) {
		sixth(h)
		h.Networks[0].Returns = append(h.Networks[0].Returns, host.Return{Prefix: prefix("fd00:1::/64"), Route: kernel.Route{To: addr("fd00:1::2"), Exists: true, Link: "eth0"}})
	}
	doctortest.Golden(t, "routes", []doctortest.Case{
		when("well", Routes, nil),
		when("no route to the metadata address", Routes, missing),
		when("no route to the metadata address, and no bridge", Routes, both(missing, noBridge)),
		when("metadata elsewhere", Routes, metadata(elsewhere)),
		when("metadata elsewhere, and no bridge", Routes, both(metadata(elsewhere), noBridge)),
		when("the address is not used yet", Routes, metadata(func(r *kernel.Route) { elsewhere(r); r.Tentative = true })),
		when("not asked", Routes, func(h *host.Facts) { h.Routes = nil }),
		when("no route to the guests", Routes, back(func(r *kernel.Route) { r.Exists, r.Link = false, "no interface" })),
		when("guests elsewhere", Routes, back(by("0.0.0.0/0", "10.0.0.0/8", "10.122.0.0/24", "10.122.0.0/16"))),
		when("guests by the default route", Routes, back(by("0.0.0.0/0"))),
		when("guests by half of all addresses", Routes, back(by("0.0.0.0/1"))),
		when("routes cannot be listed", Routes, back(func(r *kernel.Route) { r.Link, r.ByErr = "eth0", errNoAnswer })),
		when("guests elsewhere, and the bridge is down", Routes, both(back(by()), link(func(b *kernel.Link) { b.Up = false }))),
		when("guests elsewhere, and the bridge lacks its address", Routes, both(back(by()), link(func(b *kernel.Link) { b.Addrs = nil }))),
		when("guests elsewhere, and no bridge", Routes, both(back(by()), noBridge)),
		when("guests elsewhere, and the network is not known", Routes, both(back(by()), func(h *host.Facts) { h.Networks[0].IPv4 = netip.Prefix{} })),
		when("IPv6 elsewhere", Routes, both(return6, link(func(b *kernel.Link) { b.Addrs = append(b.Addrs, addr("fd00:1::1")) }))),
		when("IPv6 elsewhere, and the bridge lacks its address", Routes, return6),
	})
}

func TestPorts(t *testing.T) {
	sockets := func(all ...kernel.Listener) func(*host.Facts) {
		return func(h *host.Facts) { h.Sockets.List = all }
	}
	stopped := func(h *host.Facts) { h.Server.Err = errNoAnswer }
	of := func(pid int, name, service string) kernel.Process {
		return kernel.Process{PID: pid, Name: name, Service: service}
	}
	failed := func(h *host.Facts) { h.Sockets.Err = errNoAnswer }
	nginx := of(90, "nginx", "nginx.service")
	theirs := kernel.Process{PID: 91, Name: "dnsmasq", Args: []string{"/usr/sbin/dnsmasq", "-C", "a b"}}
	dns := func(proto, address string, p kernel.Process) kernel.Listener {
		return doctortest.Listener(proto, address, p)
	}
	on := func(l kernel.Listener, link int) kernel.Listener { l.Link = link; return l }
	doctortest.Golden(t, "ports", []doctortest.Case{
		when("port: ours", Port, nil),
		when("port: not known", Port, failed),
		when("port: not served", Port, sockets()),
		when("port: free", Port, both(stopped, sockets())),
		when("port: of a process that cannot be seen", Port, both(stopped, sockets(dns("tcp", "0.0.0.0:80", kernel.Process{})))),
		when("port: of a process that cannot be seen, and the server runs", Port, sockets(dns("tcp", "0.0.0.0:80", kernel.Process{}))),
		when("port: of a server that does not answer", Port, both(stopped, sockets(dns("tcp", "169.254.169.254:80", of(9, "mdserver", ""))))),
		when("port: of a server that does not answer, without systemd", Port, both(stopped, func(h *host.Facts) { h.Unit.State = "" },
			sockets(dns("tcp", "169.254.169.254:80", of(9, "mdserver", "mdserver.service"))))),
		when("port: of a second server", Port, sockets(dns("tcp", "169.254.169.254:80", of(9, "mdserver", "")))),
		when("port: taken", Port, sockets(dns("udp", "0.0.0.0:80", nginx), dns("tcp", "0.0.0.0:81", nginx), dns("tcp", "[::]:80", nginx))),
		when("port: taken, and the server does not run", Port, both(stopped, sockets(dns("tcp", "0.0.0.0:80", of(90, "python3", ""))))),
		when("port: taken on another interface", Port, sockets(on(dns("tcp", "0.0.0.0:80", nginx), 9))),
		when("port: another one", Port, both(port(8080), sockets(dns("tcp", "0.0.0.0:80", nginx), dns("tcp", "0.0.0.0:8080", of(doctortest.ServerPID, "mdserver", ""))))),
		when("port: two addresses", Port, both(sixth, listen6("fd00:ec2::254"))),

		when("clash: none", Clash, nil),
		when("clash: not known", Clash, failed),
		when("clash: no dnsmasq is ours", Clash, both(sockets(dns("udp", "0.0.0.0:67", nginx)), func(h *host.Facts) { h.Networks[0].Run = "off" })),
		when("clash: our dnsmasq by its files", Clash, sockets(dns("udp", "0.0.0.0:67", kernel.Process{PID: 5, Name: "dnsmasq", Args: []string{"dnsmasq", "--conf-file=/var/lib/mdserver/dnsmasq/mds.conf"}}))),
		when("clash: a process that cannot be seen", Clash, sockets(dns("udp", "0.0.0.0:67", kernel.Process{}))),
		when("clash: a program", Clash, sockets(dns("udp", "0.0.0.0:67", nginx), dns("tcp", "10.122.0.1:53", nginx), dns("tcp", "10.122.0.1:53", nginx), dns("udp", "10.122.0.1:53", nginx))),
		when("clash: two programs", Clash, sockets(dns("udp", "0.0.0.0:67", of(92, "kea", "")), dns("tcp", "0.0.0.0:53", of(93, "bind", "")))),
		when("clash: other ports and addresses", Clash, sockets(dns("tcp", "0.0.0.0:67", nginx), dns("udp", "127.0.0.53:53", nginx), dns("udp", "0.0.0.0:68", nginx))),
		when("clash: on another interface", Clash, sockets(on(dns("udp", "0.0.0.0:67", nginx), 9))),
		when("clash: on the bridge", Clash, sockets(on(dns("udp", "0.0.0.0:67", nginx), 3))),
		when("clash: on an interface, without the bridge", Clash, both(noBridge, sockets(on(dns("udp", "0.0.0.0:67", nginx), 3)))),
		when("clash: libvirt's dnsmasq, which shares", Clash, sockets(dns("udp", "0.0.0.0:67", theirs), dns("udp", "192.168.122.1:53", theirs))),
		when("clash: a dnsmasq with a wildcard", Clash, sockets(dns("udp", "0.0.0.0:67", theirs), dns("udp", "0.0.0.0:53", theirs))),
		when("clash: a dnsmasq, and DNS of another", Clash, sockets(dns("udp", "0.0.0.0:67", theirs), dns("udp", "192.168.122.1:53", of(94, "dnsmasq", "")))),
		when("clash: a dnsmasq with a wildcard, and TFTP", Clash, sockets(dns("udp", "0.0.0.0:67", theirs), dns("udp", "192.168.122.1:69", theirs))),
		when("clash: a dnsmasq with files beside ours", Clash, sockets(dns("udp", "0.0.0.0:67", kernel.Process{PID: 5, Name: "dnsmasq", Args: []string{"dnsmasq", "-C", "/var/lib/mdserver/dnsmasq.old"}}))),
		when("clash: a dnsmasq for DNS alone", Clash, sockets(dns("udp", "10.122.0.1:53", theirs))),
		when("clash: a dnsmasq of systemd", Clash, sockets(dns("udp", "0.0.0.0:67", of(95, "dnsmasq", "dnsmasq.service")))),
	})
}

func TestDnsmasq(t *testing.T) {
	version := func(text string) func(*host.Facts) { return func(h *host.Facts) { h.Dnsmasq.Version = text } }
	missing := func(h *host.Facts) {
		h.Dnsmasq = system.Dnsmasq{Missing: errors.New("stat /usr/sbin/dnsmasq: no such file")}
	}
	state := func(st *api.Dnsmasq, trouble string) func(*host.Facts) {
		return func(h *host.Facts) { n := &h.Server.Status.Networks[0]; n.Dnsmasq, n.Trouble = st, trouble }
	}
	troubles := func(h *host.Facts) {
		h.Server.Status.Health = []api.Part{{Name: "disk", State: api.Wrong, Trouble: []api.Trouble{
			{Part: "disk", State: api.Warning, Message: "nearly full", Look: []string{"df -h", "du"}},
			{Part: "log", State: api.Wrong, Message: "cannot be written"}}}}
	}
	stopped := func(h *host.Facts) { h.Server.Err = errNoAnswer }
	apparmor := func(rules string) func(*host.Facts) {
		return func(h *host.Facts) {
			h.AppArmor = system.AppArmor{Enforced: true, Rules: rules, Dirs: []string{"/var/lib/mdserver/dnsmasq", "/run/mdserver", "/srv/a b"}}
		}
	}
	doctortest.Golden(t, "dnsmasq", []doctortest.Case{
		when("well", Dnsmasq, nil),
		when("off", Dnsmasq, func(h *host.Facts) { missing(h); h.Networks[0].Run = "off" }),
		when("libvirt's", Dnsmasq, func(h *host.Facts) { missing(h); h.Networks[0].Libvirt = true }),
		when("missing", Dnsmasq, missing),
		when("missing where the configuration says", Dnsmasq, both(missing, func(h *host.Facts) { h.Config.Dnsmasq.Binary = "/opt/dnsmasq" })),
		when("broken", Dnsmasq, both(stopped, func(h *host.Facts) { h.Dnsmasq.Err = errNoAnswer })),
		when("no version", Dnsmasq, version("Dnsmasq")),
		when("2.89", Dnsmasq, version("Dnsmasq version 2.89  ")),
		when("2.88", Dnsmasq, version("Dnsmasq version 2.88  ")),
		when("1.100", Dnsmasq, version("Dnsmasq version 1.100")),
		when("3.0", Dnsmasq, version("Dnsmasq version 3.0")),
		when("the server reports", Dnsmasq, troubles),
		when("the server does not run", Dnsmasq, both(stopped, troubles, state(&api.Dnsmasq{Mode: "child"}, ""))),
		when("does not run", Dnsmasq, state(&api.Dnsmasq{Mode: "child"}, "")),
		when("does not run, and the server reports it", Dnsmasq, state(&api.Dnsmasq{Mode: "child"}, "it ended")),
		when("an external one does not run", Dnsmasq, state(&api.Dnsmasq{Mode: "external"}, "")),
		when("off in one network", Dnsmasq, state(&api.Dnsmasq{Mode: "off"}, "")),
		when("none in one network", Dnsmasq, state(nil, "")),

		when("apparmor: none", AppArmor, nil),
		when("apparmor: not to be seen", AppArmor, func(h *host.Facts) { h.AppArmor.Err = errNoAnswer }),
		when("apparmor: rules not to be seen", AppArmor, func(h *host.Facts) { h.AppArmor.Enforced, h.AppArmor.Err = true, errNoAnswer }),
		when("apparmor: without rules", AppArmor, apparmor("profile dnsmasq {\n  /var/lib/libvirt/dnsmasq/* r,\n  @{run}/*dnsmasq*.pid w,\n /run/mdserver/* r,\n")),
		when("apparmor: with some rules", AppArmor, apparmor("  owner \"/srv/a b/**\" rw,\n  @{run}/mdserver/** rw,\n")),
		when("apparmor: with all rules", AppArmor, apparmor("\"/srv/a b/**\" rw,\n/run/mdserver/** rw,\n\t/var/lib/mdserver/dnsmasq/** rw,\n")),
		when("apparmor: a variable for another directory", AppArmor, apparmor("@{run}/var/lib/mdserver/dnsmasq/** rw,\n@{run}/mdserver2/** r,\n\"/srv/a b/** r,\n")),
	})
}

func TestResolver(t *testing.T) {
	mds := func(change func(*host.Network)) func(*host.Facts) {
		return func(h *host.Facts) { change(&h.Networks[0]) }
	}
	scopes := func(servers, domains map[string][]string) func(*host.Facts) {
		return func(h *host.Facts) { h.Resolver = system.Resolver{Runs: true, Servers: servers, Domains: domains} }
	}
	type of = map[string][]string
	none := scopes(of{"Global": nil}, of{"Link 2 (br-mds)": nil, "Link 3 (eth0)": {"example.org"}})
	doctortest.Golden(t, "resolver", []doctortest.Case{
		when("does not run", Resolver, nil),
		when("does not answer", Resolver, func(h *host.Facts) { h.Resolver.Runs, h.Resolver.Err = true, errNoAnswer }),
		when("nothing is set", Resolver, none),
		when("the server is set", Resolver, scopes(of{"Link 2 (br-mds)": {"10.122.0.1"}}, of{"Link 2 (br-mds)": nil})),
		when("the domain is set", Resolver, scopes(of{"Link 2 (br-mds)": {"10.122.0.2"}}, of{"Link 2 (br-mds)": {"~example.net"}})),
		when("the server is set, for another domain", Resolver, scopes(of{"Link 2 (br-mds)": {"10.122.0.1"}}, of{"Link 2 (br-mds)": {"example.org"}})),
		when("both are set", Resolver, scopes(of{"Link 2 (br-mds)": {"fd00::1", "10.122.0.1"}}, of{"Link 2 (br-mds)": {"a.org", "~Example.NET."}})),
		when("both are set, of two links", Resolver, scopes(of{"Link 3 (eth0)": {"10.122.0.1"}}, of{"Link 2 (br-mds)": {"example.net"}})),
		when("the network is not known", Resolver, both(none, unknownNetwork)),
		when("the network's addresses are not known", Resolver, both(none, mds(func(n *host.Network) { n.IPv4, n.Gateway = netip.Prefix{}, netip.Addr{} }))),
		when("guests use no DNS", Resolver, both(none, mds(func(n *host.Network) { n.UseDNS = false }))),
		when("no domain", Resolver, both(none, mds(func(n *host.Network) { n.Domain = "" }))),
		when("others serve DNS", Resolver, both(none, mds(func(n *host.Network) { n.Run = "off" }))),
	})
}

func TestAddresses(t *testing.T) {
	used := func(n int) func(*host.Facts) {
		return func(h *host.Facts) {
			h.Networks[0].IPv4 = prefix("10.122.0.0/24") // 253 addresses for guests
			h.Server.Status.Networks[0].Used = n
		}
	}
	network := func(change func(*host.Network)) func(*host.Facts) {
		return func(h *host.Facts) { change(&h.Networks[0]) }
	}
	stopped := func(h *host.Facts) { h.Server.Err = errNoAnswer }
	reserved := func(first, last string) func(*host.Facts) {
		return network(func(n *host.Network) {
			n.Reserved = append(n.Reserved, instance.AddrRange{First: addr(first), Last: addr(last)})
		})
	}
	leases := func(n int) func(*host.Facts) { return network(func(m *host.Network) { m.Leases = n }) }
	guests := func(h *host.Facts) {
		further := doctortest.Guest("web2", "10.122.0.10")
		further.Network = ""
		further.Further = []instance.Attachment{{Network: "mds"}, {Network: "mds", IPv4: addr("10.122.0.11")}, {Network: "lan", IPv4: addr("10.9.0.1")}}
		h.Guests.List = append(h.Guests.List, further)
	}
	// This host gives out one half of the network; web3 has no IPv4 address.
	ownRange := func(h *host.Facts) {
		h.Networks[0].IPv4 = prefix("10.122.0.0/25")
		far, six := doctortest.Guest("web2", "10.122.0.200"), doctortest.Guest("web3", "10.122.0.11")
		six.IPv4 = netip.Addr{}
		h.Guests.List = append(h.Guests.List, far, six)
	}
	lan := func(h *host.Facts) {
		ownRange(h)
		second := h.Networks[0]
		second.Name, second.IPv4, second.Gateway = "lan", prefix("10.9.0.0/24"), addr("10.9.0.1")
		h.Networks = append(h.Networks, second)
	}
	doctortest.Golden(t, "addresses", []doctortest.Case{
		when("plenty", Addresses, nil),
		when("a tenth is left", Addresses, used(227)),
		when("less than a tenth is left", Addresses, used(228)),
		when("one is left", Addresses, used(252)),
		when("none is left", Addresses, used(253)),
		when("more are used than there are", Addresses, used(254)),
		when("exactly a tenth is left", Addresses, both(used(225), reserved("10.122.0.2", "10.122.0.3"), reserved("10.122.0.255", "10.122.0.255"))),
		when("just less than a tenth is left", Addresses, both(used(919), network(func(n *host.Network) { n.IPv4 = prefix("10.122.0.0/22") }))),
		when("one lease", Addresses, both(used(1), leases(1))),
		when("of libvirt's leases", Addresses, both(used(19), leases(20))),
		when("as many leases as addresses", Addresses, both(used(253), leases(253))),
		when("more leases than addresses", Addresses, both(used(1), leases(300))),
		when("the router is elsewhere", Addresses, both(used(1), network(func(n *host.Network) { n.Gateway = addr("10.9.0.1") }))),
		when("a network of two", Addresses, both(used(1), network(func(n *host.Network) { n.IPv4 = prefix("10.122.0.0/31") }))),
		when("a network of four", Addresses, both(used(0), network(func(n *host.Network) { n.IPv4 = prefix("10.122.0.0/30") }))),
		when("the server does not run", Addresses, both(stopped, guests)),
		when("the server does not run, and another host has a range, too", Addresses, both(stopped, ownRange)),
		when("the server does not run, and there are two networks", Addresses, both(stopped, lan)),
		when("the server does not run, and its database cannot be read", Addresses, both(stopped, func(h *host.Facts) { h.Guests.Err = errNoAnswer })),
		when("the server runs, and its guests are not known", Addresses, func(h *host.Facts) { h.Guests.Err = errNoAnswer }),
		when("libvirt alone knows the network", Addresses, unknownNetwork),
	})
}

func TestPortSecurity(t *testing.T) {
	status := func(change func(*api.PortSecurity)) func(*host.Facts) {
		return func(h *host.Facts) { change(&h.Server.Status.Networks[0].PortSecurity) }
	}
	tree := func(tree kernel.Tree) func(*host.Facts) {
		return func(h *host.Facts) { h.Trees = map[string]kernel.Tree{"br-mds": tree} }
	}
	off := func(h *host.Facts) {
		doctortest.Configure(t, h, "[dnsmasq]\nport_security = no\n")
	}
	seen := func(change func(*instance.Instance)) func(*host.Facts) {
		return func(h *host.Facts) {
			noLibvirt(h)
			guest := doctortest.Guest("web1", "10.122.0.9")
			change(&guest)
			h.Guests.List = []instance.Instance{guest, doctortest.Guest("web2", "10.122.0.10")}
		}
	}
	doctortest.Golden(t, "portsecurity", []doctortest.Case{
		when("on", PortSecurity, nil),
		when("off", PortSecurity, both(off, status(func(s *api.PortSecurity) { *s = api.PortSecurity{} }))),
		when("the server does not run", PortSecurity, both(off, func(h *host.Facts) { h.Server.Err = errNoAnswer })),
		when("not enforced", PortSecurity, status(func(s *api.PortSecurity) { s.Trouble = "no kernel support" })),
		when("some are exempt", PortSecurity, status(func(s *api.PortSecurity) { s.Off, s.Strangers = 2, 1 })),
		when("frames were dropped", PortSecurity, status(func(s *api.PortSecurity) {
			s.Ports = []api.Port{{Name: "vnet4", Guest: "web 1", Dropped: api.Drops{string(table.KindARP): 7}}, {Name: "tap0", Dropped: api.Drops{string(table.KindDHCP): 1}}}
		})),
		when("a tree of libvirt's", PortSecurity, tree(kernel.Tree{On: true, Delay: 2 * time.Second})),
		when("a slow tree", PortSecurity, tree(kernel.Tree{On: true, Delay: 2*time.Second + 1})),
		when("a tree that is off", PortSecurity, tree(kernel.Tree{Delay: time.Minute, Leader: "vnet0"})),
		when("a tree that a guest leads", PortSecurity, tree(kernel.Tree{On: true, Delay: time.Minute, Leader: "vnet0"})),
		when("a tree that a guest leads, without port security", PortSecurity, both(tree(kernel.Tree{On: true, Leader: "vnet0"}), status(func(s *api.PortSecurity) { s.On = false }))),

		when("ports are not known", PortSecurity, seen(func(*instance.Instance) {})),
		when("a port is known", PortSecurity, seen(func(g *instance.Instance) { g.Interfaces = []instance.Interface{{Network: "mds", Target: "vnet0"}} })),
		when("a guest is gone", PortSecurity, seen(func(g *instance.Instance) { g.Presence.State = instance.Gone })),
		when("a guest has moved away", PortSecurity, seen(func(g *instance.Instance) { g.Presence.State = instance.Away })),
		when("a guest on another network", PortSecurity, seen(func(g *instance.Instance) { g.Network = "lan" })),
		when("a guest on two networks", PortSecurity, seen(func(g *instance.Instance) {
			g.Network = "lan"
			g.Further = []instance.Attachment{{Network: "mds"}}
		})),
		when("no port security", PortSecurity, both(seen(func(*instance.Instance) {}), status(func(s *api.PortSecurity) { s.On = false }))),
		when("no guests", PortSecurity, both(noLibvirt, func(h *host.Facts) { h.Guests.List = nil })),
		when("guests are not known", PortSecurity, both(noLibvirt, func(h *host.Facts) { h.Guests.Err = errNoAnswer })),
	})
}
