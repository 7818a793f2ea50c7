//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"mdserver/test/lab"
)

// secured is a lab with port security, an attacker at one port and a victim at
// another.
type secured struct {
	*lab.Lab
	t                *testing.T
	server           *lab.Server
	attacker, victim *lab.Guest
	own, other       shown
	from, to         *lab.Wire
}

func newSecured(t *testing.T, metadata string) *secured {
	t.Helper()
	s := &secured{Lab: newLab(t), t: t}
	if err := errors.Join(s.AddIPv6(suite.ctx), s.withoutSnooping()); err != nil {
		t.Fatal(err)
	}
	s.server = startServer(t, s.Lab, s.Config().Set("dnsmasq", "net_address6", lab.Network6).Set("dnsmasq", "port_security", "yes"))
	s.attacker, s.own = s.plug("web1", metadata)
	s.victim, s.other = s.plug("web2", "")
	s.from, s.to = s.wire(s.attacker), s.wire(s.victim)
	s.enforced("web1", "on")
	s.enforced("web2", "on")
	return s
}

// withoutSnooping has the bridge forward reports of groups as all else.
func (s *secured) withoutSnooping() error {
	return s.Host.IP(suite.ctx, "link", "set", lab.Bridge, "type", "bridge", "mcast_snooping", "0")
}

// plug makes a guest and registers it with its port, as libvirt's live definition
// names it.
func (s *secured) plug(name, metadata string) (*lab.Guest, shown) {
	s.t.Helper()
	g, err := s.AddGuest(suite.ctx, name, macOf(s.t, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return g, s.register(name, g.Port(), metadata)
}

// register uploads a definition with this port and these metadata.
func (s *secured) register(name, port, metadata string) shown {
	s.t.Helper()
	uploadXML(s.t, s.server, liveXML(s.t, name, port, metadata))
	return show(s.t, s.server, name)
}

var (
	targetText = regexp.MustCompile(`<target dev='vnet[0-9]+'/>`)
	firstMAC   = regexp.MustCompile(`<mac address=['"]([^'"]+)['"]`)
)

func macOf(t *testing.T, name string) string {
	t.Helper()
	return firstMAC.FindStringSubmatch(domainXML(t, name))[1]
}

// liveXML is a definition with another port, none if it is empty, and metadata.
func liveXML(t *testing.T, name, port, metadata string) string {
	t.Helper()
	xml := targetText.ReplaceAllString(domainXML(t, name), "")
	if port != "" {
		xml = strings.Replace(xml, "</interface>", "<target dev='"+port+"'/></interface>", 1)
	}
	if metadata == "" {
		return xml
	}
	return strings.Replace(xml, "<devices>", `<metadata><m:mdserver xmlns:m="urn:md_server:domain_metadata">`+metadata+`</m:mdserver></metadata><devices>`, 1)
}

func (s *secured) wire(g *lab.Guest) *lab.Wire {
	s.t.Helper()
	w, err := g.OpenWire("eth0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = w.Close() })
	return w
}

// portState is what `mdserver explain` says of port security.
type portState struct {
	PortSecurity []portStatus `json:"port_security"`
}

type portStatus struct {
	State, Network, Port string
	Sends                []netip.Prefix `json:"sends_from"`
	Dropped              map[string]uint64
}

func (s *secured) explain(name string) portState {
	s.t.Helper()
	var e portState
	if err := json.Unmarshal([]byte(command(s.t, s.server, "explain", name, "--json")), &e); err != nil || len(e.PortSecurity) == 0 {
		s.t.Fatalf("explain %s: %v %+v", name, err, e)
	}
	return e
}

func (s *secured) enforced(name, state string) {
	s.t.Helper()
	eventually(s.t, "port security of "+name, func(context.Context) error {
		if got := s.explain(name).PortSecurity[0].State; got != state {
			return fmt.Errorf("it is %s, not %s", got, state)
		}
		return nil
	})
}

// passes tells whether the victim sees a frame of the attacker's.
func (s *secured) passes(frame []byte) bool {
	s.t.Helper()
	sentinel := func(mark string) []byte {
		return s.ip4(s.own.IPv4.String(), udp, lab.UDP(40000, 40001, []byte(mark)))
	}
	passed, err := lab.Passes(suite.ctx, s.from, s.to, frame, sentinel)
	if err != nil {
		s.t.Fatalf("%v; %+v", err, s.explain("web1"))
	}
	return passed
}

func (s *secured) frame(etherType uint16, payload []byte) []byte {
	return lab.Frame(s.own.MAC, lab.Broadcast, etherType, payload)
}

func (s *secured) ip4(from string, protocol layers.IPProtocol, payload []byte) []byte {
	return s.frame(lab.EtherIPv4, lab.IPv4(from, "255.255.255.255", protocol, payload))
}

func (s *secured) ip6(from string, next layers.IPProtocol, payload []byte) []byte {
	return s.frame(lab.EtherIPv6, lab.IPv6(from, "ff02::1", next, payload))
}

func (s *secured) arp(operation uint16, sender, target string) []byte {
	return s.frame(lab.EtherARP, lab.ARP(operation, s.own.MAC, sender, lab.Broadcast, target))
}

const (
	udp, icmp, igmp, icmp6 = layers.IPProtocolUDP, layers.IPProtocolICMPv4, layers.IPProtocolIGMP, layers.IPProtocolICMPv6
	hopByHop, fragment     = layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Fragment
	destination            = layers.IPProtocolIPv6Destination
	notCounted             = "dropped without a count"
	privateLL              = "fe80::1c2d:3e4f:5a6b:7c8d" // of a kind that no MAC gives
)

// A guest sends as itself, and as nobody else.
func TestPortSecurityFrames(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "")
	mac, own, other := s.own.MAC, s.own.IPv4.String(), s.other.IPv4.String()
	own6, other6 := s.own.IPv6.String(), s.other.IPv6.String()
	dhcp := func(client string, kind layers.DHCPMsgType) []byte {
		return lab.UDP(68, 67, lab.BOOTP(1, client, kind))
	}
	data := lab.UDP(40000, 40000, []byte("data"))
	ra, na := lab.ICMP(134, make([]byte, 12)), func(target string) []byte { return lab.Neighbour(136, target) }

	for _, test := range []struct {
		name  string
		frame []byte
		kind  string // of what is dropped; "" if it passes
	}{
		{"its own IPv4", s.ip4(own, udp, data), ""},
		{"TCP", s.ip4(own, layers.IPProtocolTCP, make([]byte, 20)), ""},
		{"DNS answer", s.ip4(own, udp, lab.UDP(53, 53, nil)), ""},
		{"later fragment", s.frame(lab.EtherIPv4, lab.Fragment4(lab.IPv4(own, other, udp, make([]byte, 64)), 1480, false)), ""},
		{"ping", s.ip4(own, icmp, lab.ICMP(8, make([]byte, 8))), ""},
		{"IGMP report", s.ip4(own, igmp, lab.ICMP(0x22, make([]byte, 4))), ""},
		{"IGMP report before it has an address", s.ip4("0.0.0.0", igmp, lab.ICMP(0x22, make([]byte, 4))), ""},
		{"SCTP", s.ip4(own, layers.IPProtocolSCTP, make([]byte, 20)), ""},
		{"DHCP discover", s.ip4("0.0.0.0", udp, dhcp(mac, layers.DHCPMsgTypeDiscover)), ""},
		{"DHCP renewal", s.ip4(own, udp, dhcp(mac, layers.DHCPMsgTypeRequest)), ""},
		{"foreign IPv4", s.ip4(other, udp, data), "ipv4"},
		{"unknown IPv4", s.ip4("192.0.2.1", udp, data), "ipv4"},
		{"the gateway's IPv4", s.ip4(lab.Gateway, udp, data), "ipv4"},
		{"the metadata server's IPv4", s.ip4(lab.MetadataAddr, udp, data), "ipv4"},
		{"no IPv4", s.ip4("0.0.0.0", udp, data), "ipv4"},
		{"foreign MAC", lab.Frame(s.other.MAC, lab.Broadcast, lab.EtherIPv4, lab.IPv4(own, other, udp, data)), "mac"},
		{"MAC and IPv4 of another", lab.Frame(s.other.MAC, lab.Broadcast, lab.EtherIPv4, lab.IPv4(other, own, udp, data)), "mac"},
		{"DHCP offer", s.ip4(own, udp, lab.UDP(67, 68, lab.BOOTP(2, s.other.MAC, layers.DHCPMsgTypeOffer))), "dhcp"},
		{"DHCP offer from another port", s.ip4(own, udp, lab.UDP(1067, 68, lab.BOOTP(2, s.other.MAC, layers.DHCPMsgTypeOffer))), "dhcp"},
		{"DHCP relay", s.ip4(own, udp, lab.UDP(67, 67, lab.BOOTP(1, mac, layers.DHCPMsgTypeDiscover))), "dhcp"},
		{"DHCP release of another", s.ip4(own, udp, dhcp(s.other.MAC, layers.DHCPMsgTypeRelease)), "dhcp"},
		{"DHCP decline of another", s.ip4("0.0.0.0", udp, dhcp(s.other.MAC, layers.DHCPMsgTypeDecline)), "dhcp"},
		{"DHCP release from another port", s.ip4(own, udp, lab.UDP(4000, 67, lab.BOOTP(1, s.other.MAC, layers.DHCPMsgTypeRelease))), "dhcp"},
		{"cut-off DHCP", s.ip4(own, udp, lab.UDP(68, 67, []byte{1, 1, 6, 0})), "dhcp"},
		{"DHCP release in a first fragment", s.frame(lab.EtherIPv4, lab.Fragment4(lab.IPv4(own, other, udp, dhcp(s.other.MAC, layers.DHCPMsgTypeRelease)), 0, true)), "dhcp"},
		{"ICMP redirect", s.ip4(own, icmp, lab.ICMP(5, make([]byte, 32))), "icmp"},
		{"ICMP router advertisement", s.ip4(own, icmp, lab.ICMP(9, make([]byte, 12))), "icmp"},
		{"IGMP that leaves a group", s.ip4(own, igmp, lab.ICMP(0x17, make([]byte, 4))), ""},
		{"IGMP that ends early", s.ip4(own, igmp, nil), "form"},
		{"multicast router advertisement", s.ip4(own, igmp, lab.ICMP(0x30, make([]byte, 4))), "icmp"},
		{"PIM", s.ip4(own, layers.IPProtocol(103), lab.ICMP(0x20, make([]byte, 4))), "icmp"},
		{"IGMP query", s.ip4(own, igmp, lab.ICMP(0x11, make([]byte, 4))), "icmp"},
		{"IPv4 with a false length", s.frame(lab.EtherIPv4, falseLength(lab.IPv4(own, other, udp, data))), "form"},

		{"ARP of its own", s.arp(1, own, other), ""},
		{"ARP answer of its own", s.arp(2, own, other), ""},
		{"ARP probe", s.arp(1, "0.0.0.0", own), ""},
		{"RARP, as QEMU announces", s.frame(lab.EtherRARP, lab.ARP(3, mac, "0.0.0.0", mac, "0.0.0.0")), ""},
		{"ARP of another", s.arp(2, other, own), "arp"},
		{"ARP of the gateway", s.arp(2, lab.Gateway, own), "arp"},
		{"ARP of the metadata server", s.arp(2, lab.MetadataAddr, own), "arp"},
		{"ARP request of the metadata server", s.arp(1, lab.MetadataAddr, own), "arp"},
		{"ARP of an unknown address", s.arp(1, "10.122.77.77", other), "arp"},
		{"ARP probe for another", s.arp(1, "0.0.0.0", other), "arp"},
		{"ARP with another's MAC within", s.frame(lab.EtherARP, lab.ARP(2, s.other.MAC, own, mac, own)), "arp"},
		{"RARP of another", s.frame(lab.EtherRARP, lab.ARP(3, s.other.MAC, "0.0.0.0", mac, "0.0.0.0")), "arp"},
		{"ARP from another's MAC", lab.Frame(s.other.MAC, lab.Broadcast, lab.EtherARP, lab.ARP(2, mac, own, mac, own)), "mac"},

		{"its own IPv6", s.ip6(own6, udp, data), ""},
		{"its link-local address", s.ip6(linkLocal(mac), udp, data), ""},
		{"a link-local address of its choice", s.ip6(privateLL, udp, data), ""},
		{"ping6", s.ip6(own6, icmp6, lab.ICMP(128, make([]byte, 4))), ""},
		{"DHCPv6 solicit", s.ip6(privateLL, udp, lab.UDP(546, 547, []byte{1, 0, 0, 1})), ""},
		{"router solicitation", s.ip6("::", icmp6, lab.ICMP(133, make([]byte, 4))), ""},
		{"duplicate address detection", s.ip6("::", icmp6, lab.Neighbour(135, own6)), ""},
		{"duplicate address detection of a link-local address", s.ip6("::", icmp6, lab.Neighbour(135, privateLL)), ""},
		{"MLD report before it has an address", s.ip6("::", hopByHop, lab.Extension(icmp6, lab.ICMP(143, make([]byte, 4)))), ""},
		{"MLD report", s.ip6(privateLL, hopByHop, lab.Extension(icmp6, lab.ICMP(143, make([]byte, 4)))), ""},
		{"neighbour solicitation for another", s.ip6(own6, icmp6, lab.Neighbour(135, other6)), ""},
		{"neighbour advertisement", s.ip6(own6, icmp6, na(own6)), ""},
		{"neighbour advertisement of a link-local address", s.ip6(privateLL, icmp6, na(privateLL)), ""},
		{"fragment of a ping6", s.ip6(own6, fragment, lab.Fragment6(icmp6, 0, true, lab.ICMP(128, make([]byte, 12)))), ""},
		{"later fragment of a ping6", s.ip6(own6, fragment, lab.Fragment6(icmp6, 1448, false, make([]byte, 64))), ""},
		{"foreign IPv6", s.ip6(other6, udp, data), "ipv6"},
		{"unknown IPv6", s.ip6("2001:db8::1", udp, data), "ipv6"},
		{"the gateway's IPv6", s.ip6(lab.Gateway6, udp, data), "ipv6"},
		{"the metadata server's IPv6", s.ip6(lab.MetadataAddr6, udp, data), "ipv6"},
		{"the metadata server's link-local address", s.ip6(lab.MetadataLinkLocal, udp, data), "ipv6"},
		{"another's link-local address", s.ip6(linkLocal(s.other.MAC), udp, data), "ipv6"},
		{"no IPv6", s.ip6("::", udp, data), "ipv6"},
		{"MAC and IPv6 of another", lab.Frame(s.other.MAC, lab.Broadcast, lab.EtherIPv6, lab.IPv6(other6, own6, udp, data)), "mac"},
		{"router advertisement", s.ip6(privateLL, icmp6, ra), "icmp"},
		{"router advertisement behind an extension header", s.ip6(privateLL, destination, lab.Extension(icmp6, ra)), "icmp"},
		{"router advertisement behind two", s.ip6(privateLL, hopByHop, lab.Extension(destination, lab.Extension(icmp6, ra))), "icmp"},
		{"router advertisement in a fragment", s.ip6(privateLL, fragment, lab.Fragment6(icmp6, 0, true, ra)), "icmp"},
		{"router advertisement behind a header in a fragment", s.ip6(privateLL, fragment, lab.Fragment6(destination, 0, true, lab.Extension(icmp6, ra))), "icmp"},
		{"header in a fragment that hides what follows", s.ip6(privateLL, fragment, lab.Fragment6(destination, 0, true, lab.Extension(destination, nil))), "form"},
		{"first fragment without the type", s.ip6(privateLL, fragment, lab.Fragment6(icmp6, 0, true, nil)), "icmp"},
		{"redirect", s.ip6(privateLL, icmp6, lab.ICMP(137, make([]byte, 36))), "icmp"},
		{"MLD query", s.ip6(privateLL, hopByHop, lab.Extension(icmp6, lab.ICMP(130, make([]byte, 20)))), "icmp"},
		{"DHCPv6 relay", s.ip6(privateLL, udp, lab.UDP(546, 547, []byte{12, 0, 0, 1})), "dhcp"},
		{"DHCPv6 without a type", s.ip6(privateLL, udp, lab.UDP(546, 547, nil)), "dhcp"},
		{"DHCPv6 advertise", s.ip6(privateLL, udp, lab.UDP(547, 546, []byte{2, 0, 0, 1})), "dhcp"},
		{"DHCPv6 advertise from another port", s.ip6(privateLL, udp, lab.UDP(1547, 546, []byte{2, 0, 0, 1})), "dhcp"},
		{"neighbour advertisement of another", s.ip6(own6, icmp6, na(other6)), "nd"},
		{"neighbour advertisement of the gateway", s.ip6(own6, icmp6, na(lab.Gateway6)), "nd"},
		{"neighbour advertisement of the metadata server", s.ip6(own6, icmp6, na(lab.MetadataAddr6)), "nd"},
		{"neighbour advertisement of its link-local address", s.ip6(privateLL, icmp6, na(lab.MetadataLinkLocal)), "nd"},
		{"neighbour advertisement behind an extension header", s.ip6(own6, destination, lab.Extension(icmp6, na(lab.MetadataAddr6))), "nd"},
		{"neighbour advertisement in a fragment", s.ip6(own6, fragment, lab.Fragment6(icmp6, 0, false, na(own6))), "icmp"},
		{"duplicate address detection of another's", s.ip6("::", icmp6, lab.Neighbour(135, other6)), "nd"},
		{"IPv6 with a false length", s.frame(lab.EtherIPv6, falseLength6(lab.IPv6(own6, other6, udp, data))), "form"},

		{"VLAN tag", lab.Tagged(s.ip4(own, udp, data), lab.EtherVLAN, 7), "type"},
		{"priority tag", lab.Tagged(s.arp(2, lab.MetadataAddr, own), lab.EtherVLAN, 0), "type"},
		{"two tags", lab.Tagged(lab.Tagged(s.arp(2, lab.MetadataAddr, own), lab.EtherVLAN, 0), lab.EtherVLAN, 0), "type"},
		{"provider's tag", lab.Tagged(s.ip4(own, udp, data), lab.EtherQinQ, 7), "type"},
		{"802.3 with a length", s.frame(46, append([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 6}, lab.ARP(2, mac, lab.MetadataAddr, mac, own)...)), "type"},
		{"LLDP", lab.Frame(mac, "01:80:c2:00:00:0e", 0x88cc, make([]byte, 46)), notCounted},
		{"LLDP to everybody", s.frame(0x88cc, make([]byte, 46)), "type"},
		{"an unknown protocol", s.frame(0x88b5, make([]byte, 46)), "type"},
	} {
		before := s.explain("web1").PortSecurity[0].Dropped
		if passed, want := s.passes(test.frame), test.kind == ""; passed != want {
			t.Errorf("%s: passes is %v, want %v", test.name, passed, want)
			continue
		}
		after := s.explain("web1").PortSecurity[0].Dropped
		switch {
		case test.kind == "":
		case test.kind == notCounted && !maps.Equal(after, before):
			t.Errorf("%s: counted: %v, before %v", test.name, after, before)
		case test.kind != notCounted && after[test.kind] == before[test.kind]:
			t.Errorf("%s: not counted as %s: %v, before %v", test.name, test.kind, after, before)
		}
	}
}

// falseLength says that a packet is longer than it is, and so cannot be read.
func falseLength(packet []byte) []byte { packet[2] = 0x7f; return packet }

func falseLength6(packet []byte) []byte { packet[4] = 0x7f; return packet }

// linkLocal is the address that follows from a MAC.
func linkLocal(mac string) string {
	var b [6]byte
	_, _ = fmt.Sscanf(mac, "%02x:%02x:%02x:%02x:%02x:%02x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5])
	return fmt.Sprintf("fe80::%x:%xff:fe%02x:%x", uint16(b[0]^2)<<8|uint16(b[1]), b[2], b[3], uint16(b[4])<<8|uint16(b[5]))
}

// Real clients work: DHCP, DHCPv6, DNS, metadata by IPv4 and IPv6, ping.
func TestPortSecurityWithRealClients(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "")
	lease := dhcp(t, s.attacker)
	equal(t, "the address", lease.IP.String(), s.own.IPv4.String())
	addr, err := s.attacker.StartDHCPv6(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the IPv6 address", addr.String(), s.own.IPv6.String())
	dhcp(t, s.victim)
	contains(t, "metadata", get(t, s.attacker, "/latest/meta-data/instance-id"), s.own.InstanceID)
	for _, server := range []string{lab.MetadataAddr6, lab.MetadataLinkLocal} {
		if _, err := s.attacker.GetFrom(suite.ctx, server, "/latest/meta-data/instance-id"); err != nil {
			t.Errorf("metadata at %s: %v", server, err)
		}
	}
	if _, err := s.attacker.Output(suite.ctx, "ping", "-c", "1", "-W", "5", s.other.IPv4.String()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if _, err := s.attacker.Output(suite.ctx, "ping", "-c", "1", "-W", "5", "-s", "4000", lab.Gateway); err != nil {
		t.Errorf("ping in fragments: %v", err)
	}
	if dropped := s.explain("web1").PortSecurity[0].Dropped; len(dropped) > 0 {
		t.Errorf("something of a good guest was dropped: %v", dropped)
	}
}

// nft runs Debian's nft on the host.
func (s *secured) nft(args ...string) (string, error) {
	return s.Host.Output(suite.ctx, "nft", args...)
}

// The table survives the server, comes back when it is removed, leaves others
// alone, and goes when it is turned off.
func TestPortSecurityTable(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "")
	spoofed := s.arp(2, lab.MetadataAddr, s.own.IPv4.String())
	foreign := func() string {
		out, err := s.nft("list", "table", "bridge", "others")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if _, err := s.nft("add table bridge others { chain c { type filter hook prerouting priority 0; }; }"); err != nil {
		t.Fatal(err)
	}
	others := foreign()

	s.server.Kill()
	if s.passes(spoofed) {
		t.Error("a spoofed frame passes while the server is down")
	}
	start(t, s.server)
	if s.passes(spoofed) {
		t.Error("a spoofed frame passes after a restart")
	}
	for _, gone := range [][]string{{"delete", "table", "bridge", "mdserver"}, {"flush", "table", "bridge", "mdserver"},
		{"delete", "element", "bridge", "mdserver", "own4", s.element()}, {"flush", "ruleset"}} {
		if gone[1] == "ruleset" {
			equal(t, "another's table", foreign(), others)
		}
		if _, err := s.nft(gone...); err != nil {
			t.Fatalf("nft %v: %v", gone, err)
		}
		eventually(t, "the table after nft "+strings.Join(gone, " "), func(context.Context) error {
			if s.passes(spoofed) || !s.passes(s.arp(1, s.own.IPv4.String(), s.other.IPv4.String())) {
				return errors.New("is not back")
			}
			return nil
		})
	}
	if status := command(t, s.server, "status"); !strings.Contains(status, "ports of 2 guests") {
		t.Errorf("status:\n%s", status)
	}
	contains(t, "network ls", command(t, s.server, "network", "ls"), " on ")
	report, _ := s.server.Run(suite.ctx, nil, "doctor") // which finds other faults of a lab
	contains(t, "doctor", report, `on the network "mds", port security is on for 2 guests`, `the guest "web1" at `+s.attacker.Port()+` were dropped`)
	s.reload("no")
	if out, err := s.nft("list", "tables"); err != nil || strings.Contains(out, "mdserver") {
		t.Errorf("the table is there after port security was turned off: %s %v", out, err)
	}
	if !s.passes(spoofed) {
		t.Error("a frame is dropped although port security is off")
	}
	s.reload("yes")
	if s.passes(spoofed) {
		t.Error("a spoofed frame passes after port security was turned on")
	}
}

func (s *secured) element() string {
	return fmt.Sprintf(`{ "%s" . %s . %s }`, s.attacker.Port(), s.own.MAC, s.own.IPv4)
}

func (s *secured) reload(value string) {
	s.t.Helper()
	config := s.Config().Set("dnsmasq", "net_address6", lab.Network6).Set("dnsmasq", "port_security", value)
	if _, err := s.WriteFile("mdserver.conf", config.String()); err != nil {
		s.t.Fatal(err)
	}
	contains(s.t, "reload", command(s.t, s.server, "reload"), "dnsmasq.port_security")
}

// Metadata make exceptions for one guest, and none for what is another's.
func TestPortSecurityExceptions(t *testing.T) {
	t.Parallel()
	const container = "02:42:ac:11:00:02"
	s := newSecured(t, "<m:allowed_addresses>10.122.200.7, 172.17.0.0/16, 2001:db8::/64, "+lab.Gateway+", "+container+"</m:allowed_addresses>")
	data := lab.UDP(40000, 40000, nil)
	for name, test := range map[string]struct {
		frame []byte
		want  bool
	}{
		"ARP of an allowed address":   {s.arp(2, "10.122.200.7", s.other.IPv4.String()), true},
		"an allowed prefix":           {s.ip4("172.17.3.4", udp, data), true},
		"an allowed prefix of IPv6":   {s.ip6("2001:db8::7", udp, data), true},
		"neighbour advertisement":     {s.ip6("2001:db8::7", icmp6, lab.Neighbour(136, "2001:db8::7")), true},
		"an allowed MAC":              {lab.Frame(container, lab.Broadcast, lab.EtherIPv4, lab.IPv4("172.17.0.2", "255.255.255.255", udp, data)), true},
		"DHCP of an allowed MAC":      {lab.Frame(container, lab.Broadcast, lab.EtherIPv4, lab.IPv4("0.0.0.0", "255.255.255.255", udp, lab.UDP(68, 67, lab.BOOTP(1, container, layers.DHCPMsgTypeDiscover)))), true},
		"an address that is not":      {s.ip4("10.122.200.8", udp, data), false},
		"the gateway, though allowed": {s.arp(2, lab.Gateway, s.other.IPv4.String()), false},
		"another guest":               {s.arp(2, s.other.IPv4.String(), s.other.IPv4.String()), false},
	} {
		if got := s.passes(test.frame); got != test.want {
			t.Errorf("%s: passes is %v", name, got)
		}
	}
	contains(t, "explain", command(t, s.server, "explain", "web1"), "allowed_addresses contain "+lab.Gateway)

	s.register("web1", s.attacker.Port(), "<m:port_security>off</m:port_security>")
	s.enforced("web1", "off")
	if !s.passes(s.ip4("10.122.200.8", udp, data)) {
		t.Error("a frame is dropped although port security is off for the guest")
	}
	for _, addr := range []string{lab.MetadataAddr, lab.Gateway} {
		if s.passes(s.arp(2, addr, s.other.IPv4.String())) {
			t.Errorf("a guest without port security answers for %s", addr)
		}
		if s.passes(lab.Tagged(lab.Tagged(s.arp(2, addr, s.other.IPv4.String()), lab.EtherVLAN, 0), lab.EtherVLAN, 0)) {
			t.Errorf("a guest without port security answers for %s in tags", addr)
		}
		if s.passes(lab.Tagged(s.arp(2, addr, s.other.IPv4.String()), lab.EtherVLAN, 0)) {
			t.Errorf("a guest without port security answers for %s in a tag", addr)
		}
	}
}

// The rules follow the guest's port: to another one, and away when it stops.
func TestPortSecurityFollowsThePort(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "")
	second, err := s.attacker.AddInterface(suite.ctx, lab.Bridge, "eth1", "52:54:00:77:00:01")
	if err != nil {
		t.Fatal(err)
	}
	spoofed := s.arp(2, lab.MetadataAddr, s.own.IPv4.String())
	unknown := s.ip4("192.0.2.1", udp, lab.UDP(40000, 40000, nil))

	s.register("web1", second.Port(), "") // as after a migration or a new plug
	eventually(t, "the rules at the new port", func(context.Context) error {
		if port := s.explain("web1").PortSecurity[0].Port; port != second.Port() {
			return fmt.Errorf("they are at %q", port)
		}
		return nil
	})
	if s.passes(spoofed) {
		t.Error("a port that no guest has any more answers for the metadata server")
	}
	if !s.passes(unknown) {
		t.Error("the port that the guest had is still its port")
	}

	s.register("web1", "", "") // stopped: an inactive definition names no port
	s.enforced("web1", "unknown")

	s.register("web1", s.attacker.Port(), "")
	s.register("web2", s.attacker.Port(), "") // the newer record has the port
	eventually(t, "the port's new guest", func(context.Context) error {
		if state := s.explain("web2").PortSecurity[0]; state.Port != s.attacker.Port() {
			return fmt.Errorf("it is %+v", state)
		}
		return nil
	})
	s.enforced("web1", "unknown")
}

// Frames to a bridge itself pass no rule; what it learns from them would lead the
// victim's frames to the attacker.
func TestPortSecurityOfControlFrames(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "")
	const lldp = "01:80:c2:00:00:0e"
	if err := s.from.Send(lab.Frame(s.other.MAC, lldp, 0x88cc, make([]byte, 46))); err != nil {
		t.Fatal(err)
	}
	s.passes(s.arp(1, s.own.IPv4.String(), s.other.IPv4.String())) // the bridge has handled both
	fdb, err := s.Host.Output(suite.ctx, "bridge", "fdb", "show", "br", lab.Bridge)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "the bridge's table", fdb, s.own.MAC+" dev "+s.attacker.Port())
	if strings.Contains(fdb, s.other.MAC+" dev "+s.attacker.Port()) {
		t.Errorf("the victim's MAC is at the attacker's port:\n%s", fdb)
	}
}

// A tap device of no known guest is kept from the worst.
func TestPortSecurityOfStrangers(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "")
	status := func() string { return command(t, s.server, "status") }
	for _, step := range [][]string{{"tuntap", "add", "tap9", "mode", "tap"}, {"link", "set", "tap9", "master", lab.Bridge, "up"}} {
		if err := s.Host.IP(suite.ctx, step...); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the tap", func(context.Context) error {
		if text := status(); !strings.Contains(text, "1 tap of no known guest") {
			return errors.New(text)
		}
		return nil
	})
	// libvirt gives a tap the guest's MAC with another first byte.
	if err := s.Host.IP(suite.ctx, "link", "set", "tap9", "address", "fe"+s.own.MAC[2:]); err != nil {
		t.Fatal(err)
	}
	s.register("web1", "", "")
	eventually(t, "the tap of the guest", func(context.Context) error {
		if port := s.explain("web1").PortSecurity[0].Port; port != "tap9" {
			return fmt.Errorf("its port is %q", port)
		}
		return nil
	})
}
