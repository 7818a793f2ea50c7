package finding_test

import (
	"errors"
	"net/netip"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/doctor/doctortest"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
)

var (
	when        = doctortest.When
	errNoAnswer = errors.New("no answer")
)

// mended is a check whose finding has a remedy.
func mended(remedy func(*host.Facts, finding.Finding) finding.Finding) doctortest.Check {
	return func(h *host.Facts) []finding.Finding {
		return []finding.Finding{remedy(h, finding.Fail("code", "what is wrong"))}
	}
}

func TestCommands(t *testing.T) {
	command := func(line func(*host.Facts) string) doctortest.Check {
		return mended(func(h *host.Facts, f finding.Finding) finding.Finding { return f.Mend(line(h)) })
	}
	virsh := command(func(h *host.Facts) string { return finding.Virsh(h, "net-start %s", "my net") })
	mdserver := command(func(h *host.Facts) string { return finding.Mdserver(h, "explain %s", "web 1") })
	start := command(finding.StartServer)
	libvirt := func(uri config.LibvirtURI) func(*host.Facts) {
		return func(h *host.Facts) { h.Config.Libvirt.URI = uri }
	}
	file := func(h *host.Facts) { h.ConfigFile = "/srv/a b.conf" }
	noUnit := func(h *host.Facts) { h.Unit.State = "" }
	stop := func(p kernel.Process) doctortest.Check {
		return command(func(*host.Facts) string { return finding.Stop(p) })
	}
	doctortest.Golden(t, "commands", []doctortest.Case{
		when("words are quoted", command(func(*host.Facts) string {
			return finding.Command("echo %s %s %s %s", "it's", "", "$(x)", 7)
		}), nil),
		when("virsh", virsh, nil),
		when("virsh of a session", virsh, libvirt(config.LibvirtURI{Session: true})),
		when("virsh by a socket", virsh, libvirt(config.LibvirtURI{Socket: "/srv/sock"})),
		when("mdserver", mdserver, nil),
		when("mdserver with a file", mdserver, file),
		when("start by systemd", start, nil),
		when("start without systemd", start, func(h *host.Facts) { noUnit(h); file(h) }),
		when("stop a unit", stop(kernel.Process{PID: 7, Service: "nginx.service"}), nil),
		when("stop a process", stop(kernel.Process{PID: 7}), nil),
	})
}

func TestRemedies(t *testing.T) {
	restart := mended(func(h *host.Facts, f finding.Finding) finding.Finding { return f.Restart(h) })
	change := func(section, key string) doctortest.Check {
		return mended(func(h *host.Facts, f finding.Finding) finding.Finding { return f.Change(h, section, key, "new") })
	}
	section := func(network string) doctortest.Check {
		return func(h *host.Facts) []finding.Finding {
			return []finding.Finding{finding.Good("%s", finding.Section(h, network))}
		}
	}
	configured := func(h *host.Facts) {
		doctortest.Configure(t, h, "[mdserver]\nimds = off\n[dnsmasq]\nbinary = /opt/dnsmasq\n[network lab]\ninterface = br-lab\nnet_address = 10.9.0.0\nnet_prefix = 24\ngateway = 10.9.0.1\n")
	}
	stopped := func(h *host.Facts) { h.Server.Err = errNoAnswer }
	doctortest.Golden(t, "remedies", []doctortest.Case{
		when("restart", restart, nil),
		when("restart without systemd", restart, func(h *host.Facts) { h.Unit.State = "" }),
		when("a key of the defaults", change("mdserver", "imds"), nil),
		when("a key in the file", change("mdserver", "imds"), configured),
		when("another key", change("mdserver", "verify_mac"), configured),
		when("a key that needs a restart", change("dnsmasq", "binary"), configured),
		when("the server does not run", change("dnsmasq", "binary"), stopped),
		when("the section of a network", section("lab"), configured),
		when("the section of the first network", section("mds"), nil),
	})
}

func TestMakeBridge(t *testing.T) {
	bridge := mended(func(h *host.Facts, f finding.Finding) finding.Finding { return f.MakeBridge(h, h.Networks[0]) })
	undefined := func(h *host.Facts) { h.Libvirt.Networks, h.Libvirt.SampleNetwork = nil, true }
	network := func(change func(*host.Network)) func(*host.Facts) {
		return func(h *host.Facts) { undefined(h); change(&h.Networks[0]) }
	}
	sixth := func(n *host.Network) {
		n.IPv6, n.Gateway6 = netip.MustParsePrefix("fd00:1::/64"), netip.MustParseAddr("fd00:1::1")
	}
	doctortest.Golden(t, "bridge", []doctortest.Case{
		when("libvirt's network is started", bridge, nil),
		when("libvirt's network is not started", bridge, func(h *host.Facts) { h.Libvirt.Networks[0].Active = false }),
		when("libvirt makes it", bridge, network(func(n *host.Network) { n.Libvirt = true })),
		when("libvirt does not answer", bridge, func(h *host.Facts) { h.Libvirt = host.Libvirt{Err: errNoAnswer}; sixth(&h.Networks[0]) }),
		when("as the sample", bridge, undefined),
		when("as the sample, which is not installed", bridge, func(h *host.Facts) { undefined(h); h.Libvirt.SampleNetwork = false }),
		when("but for the name", bridge, network(func(n *host.Network) { n.Name = "a&b" })),
		when("but for the bridge", bridge, network(func(n *host.Network) { n.Bridge = "br<9" })),
		when("but for the prefix", bridge, network(func(n *host.Network) { n.IPv4 = netip.MustParsePrefix("10.122.0.0/24") })),
		when("but for the router", bridge, network(func(n *host.Network) { n.Gateway = netip.MustParseAddr("10.122.0.9") })),
		when("but for IPv6", bridge, network(sixth)),
	})
}

func TestFindings(t *testing.T) {
	good := finding.Good("fine %d", 1)
	all := func(findings ...finding.Finding) doctortest.Check {
		return func(*host.Facts) []finding.Finding { return findings }
	}
	doctortest.Golden(t, "findings", []doctortest.Case{
		when("all kinds", all(good, finding.Unchecked("who knows %s", "it"), finding.Warn("a", "odd %q", "x"),
			finding.Fail("b", "wrong %v", errNoAnswer).Advise("look %d", 7).Mend("one", "two").Mend("three")), nil),
		when("the good one", all(finding.Unless(nil, good)...), nil),
		when("not the good one", all(finding.Unless([]finding.Finding{finding.Warn("a", "odd")}, good)...), nil),
	})
}
