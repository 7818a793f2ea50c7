package dnsmasq

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"

	"mdserver/internal/instance"
)

// microsoftRoutes is what Windows asks for in place of option 121.
var microsoftRoutes = dhcpv4.GenericOptionCode(249)

// routesOf are the routes that a guest is told of by options 3, 121 and 249.
func (l *lab) routesOf(guest instance.Instance) (routers, classless, microsoft string) {
	l.t.Helper()
	place, _ := guest.On(l.NetName)
	ack := l.dhcp(place.MAC, dhcpv4.WithRequestedOptions(dhcpv4.OptionRouter, dhcpv4.OptionClasslessStaticRoute, microsoftRoutes))
	if ack == nil {
		l.t.Fatalf("%s gets no lease", guest.Hostname)
	}
	var r dhcpv4.Routes
	if raw := ack.Options.Get(microsoftRoutes); raw != nil {
		must(l.t, r.FromBytes(raw))
	}
	text := func(routes dhcpv4.Routes) string {
		var list []string
		for _, route := range routes {
			list = append(list, route.Dest.String()+" "+route.Router.String())
		}
		return strings.Join(list, ", ")
	}
	for _, router := range ack.Router() {
		routers += router.String()
	}
	return routers, text(ack.ClasslessStaticRoute()), text(r)
}

func (l *lab) wantRoutes(guest instance.Instance, byDefault bool) {
	l.t.Helper()
	const metadata = "169.254.169.254/32 10.122.0.1"
	routers, routes := "", metadata
	if byDefault {
		routers, routes = "10.122.0.1", metadata+", 0.0.0.0/0 10.122.0.1"
	}
	if r, classless, microsoft := l.routesOf(guest); r != routers || classless != routes || microsoft != routes {
		l.t.Errorf("%s: router %q, routes %q and %q; want %q and %q", guest.Hostname, r, classless, microsoft, routers, routes)
	}
}

// A guest has its default route on its first network alone.
func TestDefaultRoute(t *testing.T) {
	l := newLab(t)
	one := newGuest(1, "one")
	first := instance.Attachment{Network: "front", MAC: instance.MAC{2, 0, 0, 0, 0, 9}, IPv4: netip.MustParseAddr("10.50.0.9")}
	behind := func(n int, name string, primary instance.Attachment) instance.Instance {
		guest := newGuest(n, name)
		guest.Attach([]instance.Attachment{primary, guest.Primary()})
		return guest
	}
	two := behind(2, "two", first)
	waiting := behind(3, "waiting", instance.Attachment{Network: "front", MAC: first.MAC}) // no address there yet
	s := l.start(one, two, waiting)
	l.wantRoutes(one, true)
	l.wantRoutes(two, false)
	l.wantRoutes(waiting, true)

	unplugged := two
	unplugged.Attach(two.Further)
	must(t, s.Apply(t.Context(), changed(two, unplugged)))
	l.wantRoutes(unplugged, true)

	late := behind(4, "late", first)
	must(t, s.Apply(t.Context(), added(late)))
	l.wantRoutes(late, false)

	// The first network with an address is the second one of three.
	third := newGuest(5, "third")
	first.IPv4 = netip.MustParseAddr("10.50.0.10")
	third.Attach([]instance.Attachment{{Network: "new", MAC: first.MAC}, first, third.Primary()})
	must(t, s.Apply(t.Context(), added(third)))
	l.wantRoutes(third, false)
}

// Router advertisements are for all guests of a network: on further networks
// this host is a router of low preference.
func TestRouterPreference(t *testing.T) {
	const low = 0x18 // two bits of the flags (RFC 4191, 2.2)
	for _, further := range []bool{false, true} {
		t.Run(fmt.Sprint(further), func(t *testing.T) {
			l := newLab(t)
			guest := l.withIPv6(newGuest(1, "web1"))
			l.Further = further
			l.start(guest)
			flags, lifetime := l.advertised()
			if preference := flags & low; (preference == low) != further || lifetime == 0 {
				t.Errorf("flags %#x, lifetime %d s", flags, lifetime)
			}
		})
	}
}

// advertised are flags and lifetime of a router advertisement (RFC 4861, 4.2).
func (l *lab) advertised() (flags byte, lifetime int) {
	l.t.Helper()
	l.eventually("the guest has a link-local address", func() (ok bool) {
		l.inGuest(func() { ok = hasLinkLocal(l.t, l.veth) })
		return ok
	})
	var conn *icmp.PacketConn
	l.inGuest(func() {
		var err error
		conn, err = icmp.ListenPacket("ip6:ipv6-icmp", "::")
		must(l.t, err)
	})
	defer conn.Close()
	routers := &net.IPAddr{IP: net.ParseIP("ff02::2"), Zone: l.veth}
	buf := make([]byte, 1500)
	for range 40 {
		packet, err := (&icmp.Message{Type: ipv6.ICMPTypeRouterSolicitation, Body: &icmp.RawBody{Data: make([]byte, 4)}}).Marshal(nil)
		must(l.t, err)
		must(l.t, conn.IPv6PacketConn().SetMulticastHopLimit(255))
		l.inGuest(func() { _, err = conn.WriteTo(packet, routers) })
		must(l.t, err)
		must(l.t, conn.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			if n >= 16 && buf[0] == byte(ipv6.ICMPTypeRouterAdvertisement) {
				return buf[5], int(buf[6])<<8 | int(buf[7])
			}
		}
	}
	l.t.Fatal("no router advertisement")
	return 0, 0
}
