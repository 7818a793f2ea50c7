package network

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"mdserver/internal/doctor/doctortest"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/porttest"
	"mdserver/internal/portsecurity/table"
	"mdserver/internal/roottest"
)

func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

const (
	ofFleet      = "[store]\nbackend = etcd\nendpoints = http://etcd1\n"
	withSecurity = "[dnsmasq]\nport_security = yes\n"
	onLANAlone   = "[network mds]\ninterface = br-mds\nnet_address = 10.122.0.0\nnet_prefix = 16\ngateway = 10.122.0.1\nport_security = no\n" +
		"[network lan]\ninterface = br-lan\nnet_address = 10.9.0.0\nnet_prefix = 24\ngateway = 10.9.0.1\nport_security = yes\n"
	noSecurity = "[dnsmasq]\nport_security = no\n"
)

func TestUplinks(t *testing.T) {
	configured := func(text string) func(*host.Facts) {
		return func(h *host.Facts) { doctortest.Configure(t, h, text) }
	}
	uplink := func(role plan.Role, answers ...kernel.Answer) func(*host.Facts) {
		return func(h *host.Facts) {
			h.Uplinks = []kernel.Uplink{{Name: "eth0", Bridge: "br-mds", Answers: answers}}
			h.Roles = map[string]plan.Role{}
			if role != "" {
				h.Roles["eth0"] = role
			}
		}
	}
	failed := func(h *host.Facts) { h.RolesErr, h.Uplinks[0].Err = errNoAnswer, errNoAnswer }
	unread := func(h *host.Facts) { h.RolesErr = errNoAnswer }
	one := kernel.Answer{Addr: addr("169.254.169.254"), MAC: "02:00:00:00:00:0a"}
	six := kernel.Answer{Addr: addr("fe80::a9fe:a9fe"), MAC: "02:00:00:00:00:0a"}
	two := kernel.Answer{Addr: addr("169.254.169.254"), MAC: "02:00:00:00:00:0b"}
	doctortest.Golden(t, "uplinks", []doctortest.Case{
		when("none", Uplinks, nil),
		when("one host", Uplinks, uplink(plan.Other)),
		when("one host, another machine answers", Uplinks, uplink(plan.Other, one)),
		when("one host without port security", Uplinks, both(configured(noSecurity), uplink(""))),
		when("one host without port security, another machine answers", Uplinks, both(configured(noSecurity), uplink("", one))),
		when("one host, port security is not enforced, another machine answers", Uplinks, both(configured(withSecurity), uplink("", one))),
		when("one host, port security on another network alone, another machine answers", Uplinks, both(configured(onLANAlone), uplink("", one))),
		when("one host without port security, two machines answer by turns", Uplinks, both(configured(noSecurity), uplink("", one, two, six))),
		when("several hosts, port security on another network alone", Uplinks, both(configured(ofFleet+onLANAlone), uplink(""))),
		when("several hosts", Uplinks, both(configured(ofFleet+withSecurity), uplink(plan.Uplink))),
		when("several hosts, others answer", Uplinks, both(configured(ofFleet+withSecurity), uplink(plan.Uplink, one, six, two))),
		when("several hosts, a guest without a tap", Uplinks, both(configured(ofFleet+withSecurity), uplink(plan.Guest))),
		when("several hosts, no port security", Uplinks, both(configured(ofFleet+noSecurity), uplink(""))),
		when("several hosts, no port security, another answers", Uplinks, both(configured(ofFleet+noSecurity), uplink("", one))),
		when("several hosts, no rule", Uplinks, both(configured(ofFleet+withSecurity), uplink(""))),
		when("several hosts, the rule of one host", Uplinks, both(configured(ofFleet+withSecurity), uplink(plan.Other))),
		when("one host, the rules cannot be read, another machine answers", Uplinks, both(uplink("", one), unread)),
		when("several hosts, the rules cannot be read, another answers", Uplinks, both(configured(ofFleet+withSecurity), uplink(plan.Uplink, one), unread)),
		when("nothing may be asked", Uplinks, both(configured(ofFleet+withSecurity), uplink(""), failed)),
		when("nothing may be asked, no port security", Uplinks, both(configured(ofFleet+noSecurity), uplink(""), failed)),
	})
}

// otherHost is another host of the fleet, on the same segment.
type otherHost struct {
	t   *testing.T
	at  netns.NsHandle
	net []instance.Network
}

// do runs something there.
func (o otherHost) do(f func()) {
	o.t.Helper()
	must(o.t, roottest.InSpace(o.at, func() error {
		f()
		return nil
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bridgeWith makes br-mds with the metadata addresses and a port.
func bridgeWith(t *testing.T, mac byte, port string) netlink.Link {
	t.Helper()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-mds", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, mac}}}
	must(t, netlink.LinkAdd(bridge))
	for _, addr := range append(plan.MetadataAddrs(), netip.AddrFrom4([4]byte{10, 122, 0, mac})) {
		ip := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}
		must(t, netlink.AddrAdd(bridge, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}))
	}
	link, err := netlink.LinkByName(port)
	must(t, err)
	must(t, netlink.LinkSetMaster(link, bridge))
	must(t, netlink.LinkSetUp(link))
	must(t, netlink.LinkSetUp(bridge))
	return bridge
}

func reconciler(hostID string) *portsecurity.Reconciler {
	return portsecurity.New(hostID, func() []*instance.Instance { return nil }, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// Two hosts with one inventory have their bridges on one segment. doctor finds where
// the metadata addresses leak, on either side, until both have port security.
func TestMetadataOfTwoHosts(t *testing.T) {
	roottest.Need(t, "makes bridges and nftables tables")
	other := otherHost{t, roottest.NewSpace(t), []instance.Network{porttest.Network}}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(other.at)}
	must(t, netlink.LinkAdd(veth))
	defer netlink.LinkDel(veth)
	bridge := bridgeWith(t, 1, "eth0")
	defer netlink.LinkDel(bridge)
	other.do(func() { bridgeWith(t, 2, "eth0"); roottest.AwaitUp(t, "eth0", "br-mds") })
	roottest.AwaitUp(t, "eth0", "br-mds")
	defer func() { _, _ = table.Remove() }()

	own, others := reconciler("this host"), reconciler("the other host")
	look := func(config string) string {
		h := doctortest.Healthy(t)
		doctortest.Configure(t, h, ofFleet+config)
		h.Links = kernel.ReadLinks()
		h.ReadUplinks()
		return codes(Uplinks(h))
	}
	const leaks, noRule, unsafe, answered = "metadata_leaks", "metadata_rules_missing", "metadata_answered_by_another", "metadata_answered_at_uplink"
	for _, step := range []struct {
		name, config string
		do           func()
		want         string
	}{
		{"without port security", noSecurity, nil, leaks + " " + unsafe},
		{"configured, and not enforced", withSecurity, nil, noRule + " " + unsafe},
		{"enforced here", withSecurity, func() { own.Set(other.net) }, answered},
		{"enforced on both", withSecurity, func() { other.do(func() { others.Set(other.net) }) }, ""},
		{"removed here", withSecurity, func() { _, err := table.Remove(); must(t, err) }, noRule},
	} {
		if step.do != nil {
			step.do()
		}
		if got := look(step.config); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

// codes are those of findings, without good news.
func codes(found []finding.Finding) string {
	var all []string
	for _, f := range found {
		if f.Code != "" {
			all = append(all, f.Code)
		}
	}
	return strings.Join(all, " ")
}
