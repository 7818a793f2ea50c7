//go:build e2e

package attacks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

var (
	unspecified = netip.IPv4Unspecified()
	everybody   = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// dhcp makes a message of a DHCP client.
func dhcp(t *testing.T, chaddr net.HardwareAddr, kind dhcpv4.MessageType, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithHwAddr(chaddr), dhcpv4.WithMessageType(kind), dhcpv4.WithBroadcast(true),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func option(code uint8, value []byte) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), value))
}

func serverID() dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(lab.Gateway)))
}

// toServer sends a message as a client does, from an Ethernet source.
func toServer(l *wire.Link, src net.HardwareAddr, from netip.Addr, m *dhcpv4.DHCPv4) {
	p := wire.Packet{SrcMAC: src, DstMAC: wire.Broadcast, Src: from, Dst: everybody}
	_ = l.Send(p.UDP(68, 67, m.ToBytes()))
}

// leases checks that the victim still gets its own address by DHCP.
func (a *arena) leases(t *testing.T) {
	t.Helper()
	lease, err := a.victim.StartDHCP(suite.ctx)
	if err != nil {
		t.Fatalf("the victim gets no address: %v", err)
	}
	if lease.IP != a.victim.inst.IPv4 || lease.Router != lab.Gateway || lease.Server != lab.Gateway {
		t.Errorf("the victim gets %+v, want address %s by %s", lease, a.victim.inst.IPv4, lab.Gateway)
	}
	a.victim.StopDHCP()
	a.victim.on(t)
}

// leases6 checks that the victim still gets its own address by DHCPv6.
func (a *arena) leases6(t *testing.T) {
	t.Helper()
	if err := a.victim.IP(suite.ctx, "-6", "address", "flush", "dev", "eth0", "scope", "global"); err != nil {
		t.Fatal(err)
	}
	addr, err := a.victim.StartDHCPv6(suite.ctx)
	if err != nil || addr != a.victim.inst.IPv6 {
		t.Errorf("the victim gets %s (%v), want %s", addr, err, a.victim.inst.IPv6)
	}
	a.victim.StopDHCP()
	a.victim.on(t)
}

// offer is what a rogue server says.
func (a *arena) offer(t *testing.T, kind dhcpv4.MessageType, mark string) []byte {
	m := dhcp(t, a.victim.mac, kind,
		dhcpv4.WithYourIP(a.victim.inst.IPv4.AsSlice()), dhcpv4.WithServerIP(a.attacker.inst.IPv4.AsSlice()),
		dhcpv4.WithRouter(a.attacker.inst.IPv4.AsSlice()), option(15, []byte(mark)))
	m.OpCode = dhcpv4.OpcodeBootReply
	return m.ToBytes()
}

func TestRogueDHCPServer(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, kind := range []dhcpv4.MessageType{dhcpv4.MessageTypeOffer, dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak} {
			mark := fmt.Sprintf("rogue-%d.example", i)
			for to, dst := range map[string]net.HardwareAddr{"everybody": wire.Broadcast, "the victim": a.victim.mac} {
				p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: dst, Src: a.attacker.inst.IPv4, Dst: everybody}
				a.crosses(t, ear, kind.String()+" to "+to, p.UDP(67, 68, a.offer(t, kind, mark)), mark)
			}
		}
	})
}

func TestRogueDHCPServerInTheHostsName(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, src := range []string{lab.Gateway, lab.MetadataAddr, "0.0.0.0"} {
			mark := fmt.Sprintf("rogue-%d.example", i)
			p := wire.Packet{SrcMAC: a.bridge, DstMAC: a.victim.mac, Src: parse(src), Dst: a.victim.inst.IPv4}
			a.crosses(t, ear, "an ACK from "+src, p.UDP(67, 68, a.offer(t, dhcpv4.MessageTypeAck, mark)), mark)
			p.SrcMAC, p.DstMAC = a.attacker.mac, wire.Broadcast
			a.crosses(t, ear, "an ACK to all from "+src, p.UDP(67, 68, a.offer(t, dhcpv4.MessageTypeAck, mark)), mark)
		}
	})
}

// Only the port that a client listens on matters.
func TestRogueDHCPServerFromAnotherPort(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, port := range []uint16{68, 1067, 53} {
			mark := fmt.Sprintf("rogue-%d.example", i)
			p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: wire.Broadcast, Src: a.attacker.inst.IPv4, Dst: everybody}
			a.crosses(t, ear, fmt.Sprintf("an offer from port %d", port), p.UDP(port, 68, a.offer(t, dhcpv4.MessageTypeOffer, mark)), mark)
		}
	})
}

func TestRogueDHCPServerWithPriorityTag(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, tags := range [][]wire.Tag{{{}}, {{Outer: true}}, {{}, {}}} {
			mark := fmt.Sprintf("rogue-%d.example", i)
			p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: wire.Broadcast, Src: a.attacker.inst.IPv4, Dst: everybody, Tags: tags}
			a.crosses(t, ear, fmt.Sprintf("an offer with tags %v", tags), p.UDP(67, 68, a.offer(t, dhcpv4.MessageTypeOffer, mark)), mark)
		}
	})
}

func TestRogueDHCPv6Server(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ear := a.victim.link(t)
		for i, kind := range []dhcpv6.MessageType{dhcpv6.MessageTypeAdvertise, dhcpv6.MessageTypeReply, dhcpv6.MessageTypeReconfigure} {
			mark := fmt.Sprintf("rogue-%d-v6", i)
			m := &dhcpv6.Message{MessageType: kind}
			m.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionBootfileURL, OptionData: []byte(mark)})
			for _, from := range []uint16{547, 546, 999} {
				p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: a.victim.mac, Src: a.attacker.linkLocal(), Dst: a.victim.linkLocal()}
				a.crosses(t, ear, fmt.Sprintf("%s from port %d", kind, from), p.UDP(from, 546, m.ToBytes()), mark)
			}
		}
	})
}

// Made-up MACs as source and in chaddr.
func TestStarveDHCPByMadeUpMACs(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		for range 500 {
			mac := madeUp()
			toServer(l, mac, unspecified, dhcp(t, mac, dhcpv4.MessageTypeDiscover))
		}
		a.leases(t)
	})
}

func madeUp() net.HardwareAddr {
	return binary.BigEndian.AppendUint32(net.HardwareAddr{0x02, 0xbb}, rand.Uint32())
}

func TestStarveDHCPByMadeUpClients(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		for i := range 500 {
			id := binary.BigEndian.AppendUint32([]byte{0}, rand.Uint32())
			chaddr := madeUp()
			if i%2 == 0 {
				chaddr = a.victim.mac
			}
			toServer(l, a.attacker.mac, unspecified, dhcp(t, chaddr, dhcpv4.MessageTypeDiscover, option(61, id)))
		}
		a.leases(t)
	})
}

// The attacker asks for the victim's address, as itself and as the victim.
func TestRequestAddressOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		wanted := dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(a.victim.inst.IPv4.AsSlice()))
		hers := option(61, append([]byte{1}, a.victim.mac...))
		for _, chaddr := range []net.HardwareAddr{a.attacker.mac, a.victim.mac, madeUp()} {
			toServer(l, a.attacker.mac, unspecified, dhcp(t, chaddr, dhcpv4.MessageTypeRequest, wanted, serverID(), hers))
			toServer(l, a.attacker.mac, unspecified, dhcp(t, chaddr, dhcpv4.MessageTypeRequest, wanted, serverID()))
		}
		a.leases(t)
	})
}

func TestForgeDHCPDeclineOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		a.leases(t)
		for _, src := range []net.HardwareAddr{a.attacker.mac, a.victim.mac} {
			for _, chaddr := range []net.HardwareAddr{a.victim.mac, a.attacker.mac, madeUp()} {
				toServer(l, src, unspecified, dhcp(t, chaddr, dhcpv4.MessageTypeDecline, serverID(),
					dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(a.victim.inst.IPv4.AsSlice()))))
			}
		}
		a.leases(t)
	})
}

func TestForgeDHCPReleaseOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		a.leases(t)
		for _, src := range []net.HardwareAddr{a.attacker.mac, a.victim.mac} {
			m := dhcp(t, a.victim.mac, dhcpv4.MessageTypeRelease, serverID(), dhcpv4.WithClientIP(a.victim.inst.IPv4.AsSlice()))
			toServer(l, src, a.victim.inst.IPv4, m)
			m = dhcp(t, a.attacker.mac, dhcpv4.MessageTypeRelease, serverID(), dhcpv4.WithClientIP(a.victim.inst.IPv4.AsSlice()))
			toServer(l, src, a.attacker.inst.IPv4, m)
		}
		a.leases(t)
		a.served(t)
	})
}

func TestForgeDHCPInformOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		toServer(l, a.attacker.mac, a.victim.inst.IPv4, dhcp(t, a.victim.mac, dhcpv4.MessageTypeInform,
			dhcpv4.WithClientIP(a.victim.inst.IPv4.AsSlice()), option(12, []byte("www"))))
		a.leases(t)
		a.unresolved(t, "www")
	})
}

// A client that says to be behind a relay of its own making.
func TestForgeDHCPRelay(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		for _, relay := range []netip.Addr{a.attacker.inst.IPv4, a.victim.inst.IPv4, parse(lab.Gateway), parse("192.0.2.1")} {
			toServer(l, a.attacker.mac, unspecified, dhcp(t, a.victim.mac, dhcpv4.MessageTypeDiscover,
				dhcpv4.WithGatewayIP(relay.AsSlice()), option(82, []byte{1, 4, 'e', 'v', 'i', 'l'})))
		}
		a.leases(t)
	})
}

// unresolved checks that names do not lead the victim to the attacker.
func (a *arena) unresolved(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		for _, q := range []string{name, name + ".example.net"} {
			got, err := a.resolve(q)
			if err != nil {
				t.Errorf("%q: %v", q, err)
			}
			for _, addr := range got {
				if addr == a.attacker.inst.IPv4 || addr == a.attacker.inst.IPv6 {
					t.Errorf("%q resolves to the attacker", q)
				}
			}
		}
	}
}

// A guest may say what it likes of its name: DNS knows what its definition
// says.
func TestNameItselfByDHCP(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		names := []string{"wpad", "localhost", "isatap", "gateway", "com", a.victim.inst.Hostname, "www", "x.www.example.net", "\x1b[31mEVIL\n level=ERROR", "a\x00b"}
		for _, name := range names {
			fqdn := append([]byte{0x05, 0, 0}, name...)
			for _, kind := range []dhcpv4.MessageType{dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest} {
				toServer(l, a.attacker.mac, unspecified, dhcp(t, a.attacker.mac, kind, serverID(), option(12, []byte(name)), option(81, fqdn),
					dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(a.attacker.inst.IPv4.AsSlice()))))
			}
		}
		a.unresolved(t, names[:7]...)
		a.leases(t)
	})
}

func TestForgeDHCPv6DeclineOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		duid := &dhcpv6.DUIDLL{HWType: 1, LinkLayerAddr: a.victim.mac}
		for _, kind := range []dhcpv6.MessageType{dhcpv6.MessageTypeDecline, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeConfirm} {
			m := &dhcpv6.Message{MessageType: kind}
			m.AddOption(dhcpv6.OptClientID(duid))
			m.AddOption(&dhcpv6.OptIANA{IaId: [4]byte{1}, Options: dhcpv6.IdentityOptions{Options: dhcpv6.Options{
				&dhcpv6.OptIAAddress{IPv6Addr: a.victim.inst.IPv6.AsSlice()}}}})
			for _, src := range []netip.Addr{a.attacker.linkLocal(), a.victim.linkLocal()} {
				p := wire.Packet{SrcMAC: a.attacker.mac, DstMAC: net.HardwareAddr{0x33, 0x33, 0, 1, 0, 2}, Src: src, Dst: parse("ff02::1:2")}
				_ = l.Send(p.UDP(546, 547, m.ToBytes()))
			}
		}
		a.leases6(t)
	})
}

// Thousands of clients that nobody knows are no news for the log.
func TestFloodLogByDHCP(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		before := a.logged(t)
		l := a.attacker.link(t)
		const flood = 3000
		for i := range flood {
			mac := madeUp()
			toServer(l, mac, unspecified, dhcp(t, mac, dhcpv4.MessageTypeDiscover, option(12, []byte("\x1b[2J forged\n level=ERROR")), option(60, []byte(strings.Repeat("x", 200)))))
			if i%100 == 0 {
				time.Sleep(5 * time.Millisecond) // dnsmasq is to see them
			}
		}
		a.leases(t)
		if grown := a.logged(t) - before; grown > 300_000 {
			t.Errorf("%d requests made the logs grow by %d bytes", flood, grown)
		}
	})
}

// logged is how much all logs of the server hold.
func (s *site) logged(t *testing.T) int64 {
	t.Helper()
	files, err := os.ReadDir(s.Path("log"))
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, f := range files {
		if info, err := f.Info(); err == nil && strings.HasPrefix(f.Name(), "mdserver") {
			size += info.Size()
		}
	}
	return size
}

// A relay tells the server which MAC its client has (RFC 6939). A client that says to be
// behind one gets the victim's address under a DUID of its own, and then the victim
// does not get it.
func TestForgeDHCPv6Relay(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		l := a.attacker.link(t)
		client := func(kind dhcpv6.MessageType) *dhcpv6.Message {
			m := &dhcpv6.Message{MessageType: kind}
			m.AddOption(dhcpv6.OptClientID(&dhcpv6.DUIDLL{HWType: 1, LinkLayerAddr: a.attacker.mac}))
			m.AddOption(&dhcpv6.OptIANA{IaId: [4]byte{1}, Options: dhcpv6.IdentityOptions{Options: dhcpv6.Options{
				&dhcpv6.OptIAAddress{IPv6Addr: a.victim.inst.IPv6.AsSlice()}}}})
			return m
		}
		request := client(dhcpv6.MessageTypeRequest)
		request.AddOption(dhcpv6.OptServerID(a.serverDUID(t, l, client(dhcpv6.MessageTypeSolicit))))
		relay := &dhcpv6.RelayMessage{MessageType: dhcpv6.MessageTypeRelayForward, LinkAddr: parse(lab.Gateway6).AsSlice(), PeerAddr: a.victim.linkLocal().AsSlice()}
		relay.AddOption(dhcpv6.OptClientLinkLayerAddress(iana.HWTypeEthernet, a.victim.mac))
		relay.AddOption(dhcpv6.OptRelayMessage(request))
		gets := a.tries(func(wait time.Duration) bool {
			for _, port := range []uint16{546, 547, 1000} {
				_ = l.Send(a.toServers6().UDP(port, 547, relay.ToBytes()))
			}
			return l.Hear(wait, func(frame []byte) bool {
				answer, ok := dhcpv6In(frame).(*dhcpv6.RelayMessage)
				return ok && strings.Contains(string(answer.ToBytes()), string(a.victim.inst.IPv6.AsSlice()))
			})
		})
		if gets == (a.protection == secured) {
			t.Errorf("the attacker gets the victim's address: %v", gets)
		}
		if a.protection == secured {
			a.leases6(t)
		}
	})
}

// toServers6 is from the attacker to all DHCPv6 servers.
func (a *arena) toServers6() wire.Packet {
	return wire.Packet{SrcMAC: a.attacker.mac, DstMAC: net.HardwareAddr{0x33, 0x33, 0, 1, 0, 2}, Src: a.attacker.linkLocal(), Dst: parse("ff02::1:2")}
}

// dhcpv6In is the message of a DHCPv6 server in a frame, or nil.
func dhcpv6In(frame []byte) dhcpv6.DHCPv6 {
	udp, ok := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy).Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !ok || udp.SrcPort != 547 {
		return nil
	}
	m, err := dhcpv6.FromBytes(udp.Payload)
	if err != nil {
		return nil
	}
	return m
}

// serverDUID asks the DHCPv6 server who it is.
func (a *arena) serverDUID(t *testing.T, l *wire.Link, solicit *dhcpv6.Message) (server dhcpv6.DUID) {
	t.Helper()
	eventually(t, "the DHCPv6 server answers", func() error {
		_ = l.Send(a.toServers6().UDP(546, 547, solicit.ToBytes()))
		l.Hear(time.Second, func(frame []byte) bool {
			if m, ok := dhcpv6In(frame).(*dhcpv6.Message); ok {
				server = m.Options.ServerID()
			}
			return server != nil
		})
		if server == nil {
			return errors.New("it is silent")
		}
		return nil
	})
	return server
}

// A lease has the client ID that its client says. The attacker leases its own address
// with the victim's ID, and then the victim renews its lease.
func TestUseClientIDOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		victim, attacker := a.victim.link(t), a.attacker.link(t)
		id := option(61, append([]byte{1}, a.victim.mac...))
		for range 2 {
			a.answered(t, victim, unspecified, dhcp(t, a.victim.mac, dhcpv4.MessageTypeRequest, id, serverID(), wants(a.victim)))
			a.answered(t, attacker, unspecified, dhcp(t, a.attacker.mac, dhcpv4.MessageTypeRequest, id, serverID(), wants(a.attacker)))
			a.answered(t, victim, a.victim.inst.IPv4, dhcp(t, a.victim.mac, dhcpv4.MessageTypeRequest, id, dhcpv4.WithClientIP(a.victim.inst.IPv4.AsSlice())))
		}
		a.leases(t)
	})
}

func wants(g *guest) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(g.inst.IPv4.AsSlice()))
}

// answered checks that the server confirms the address of a guest whose message it is.
func (a *arena) answered(t *testing.T, l *wire.Link, from netip.Addr, m *dhcpv4.DHCPv4) {
	t.Helper()
	var got dhcpv4.MessageType
	for range 5 {
		toServer(l, m.ClientHWAddr, from, m)
		if l.Hear(time.Second, func(frame []byte) bool {
			udp, ok := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy).Layer(layers.LayerTypeUDP).(*layers.UDP)
			if !ok || udp.SrcPort != 67 {
				return false
			}
			answer, err := dhcpv4.FromBytes(udp.Payload)
			if err != nil || answer.TransactionID != m.TransactionID {
				return false
			}
			got = answer.MessageType()
			return true
		}) {
			break
		}
	}
	if got != dhcpv4.MessageTypeAck {
		t.Errorf("the answer to %s of %s is %s", m.MessageType(), m.ClientHWAddr, got)
	}
}
