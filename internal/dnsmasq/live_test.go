package dnsmasq

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
)

func TestNewGuestIsLiveWhenApplyReturns(t *testing.T) {
	l := newLab(t)
	s := l.start(newGuest(1, "web1"))
	l.wantServed(newGuest(1, "web1"))
	for n := 2; n < 12; n++ {
		guest := newGuest(n, "web"+string(rune('a'+n)))
		must(t, s.Apply(t.Context(), added(guest)))
		l.wantServed(guest)
	}
	if got := l.reverse("10.122.1.1"); !slices.Equal(got, []string{"lab-web1.example.net."}) {
		t.Errorf("PTR says %v", got)
	}
	if st := s.Status(); st.Guests != 11 || !st.Live || st.PID == 0 || st.Mode != content.Child || st.Restarts != 0 {
		t.Errorf("status is %+v", st)
	}
}

func TestRemovedGuestIsGone(t *testing.T) {
	l := newLab(t)
	old, fresh, stays := newGuest(1, "old"), newGuest(2, "fresh"), newGuest(3, "stays")
	s := l.start(old, stays)
	must(t, s.Apply(t.Context(), added(fresh)))
	for _, guest := range []instance.Instance{old, fresh, stays} {
		l.wantServed(guest) // and so has a lease
	}
	must(t, s.Apply(t.Context(), removed(old, fresh)))
	l.wantGone(old)
	l.wantGone(fresh)
	l.wantServed(stays)
	if pid := s.Status().PID; pid == 0 || s.Status().Restarts != 0 {
		t.Errorf("dnsmasq was restarted: %+v", s.Status())
	}
}

// TestChangedGuest changes one thing at a time, of a guest that holds a lease.
func TestChangedGuest(t *testing.T) {
	l := newLab(t)
	guest := newGuest(1, "web1")
	s := l.start(newGuest(9, "other"))
	must(t, s.Apply(t.Context(), added(guest)))
	l.wantServed(guest)
	steps := []struct {
		name string
		step func(*instance.Instance)
	}{
		{"address", func(i *instance.Instance) { i.IPv4 = netip.MustParseAddr("10.122.7.7") }},
		{"MAC", func(i *instance.Instance) { i.MAC[5] = 77 }},
		{"host name", func(i *instance.Instance) { i.Hostname = "db1" }},
	}
	for _, c := range steps {
		t.Run(c.name, func(t *testing.T) {
			before := guest
			c.step(&guest)
			must(t, s.Apply(t.Context(), changed(before, guest)))
			l.wantServed(guest)
			if before.IPv4 != guest.IPv4 && l.reverse(before.IPv4.String()) != nil {
				t.Errorf("the old address still has a name")
			}
			if before.Hostname != guest.Hostname && l.lookup(before.Hostname) != nil {
				t.Errorf("the old name is still known")
			}
			if before.MAC != guest.MAC && l.leased(before) != "" {
				t.Errorf("the old MAC still gets an address")
			}
		})
	}
}

// TestAddressPassesOn is the guest that is made anew under its old name: it
// has another MAC and the address on which the old one still holds a lease.
func TestAddressPassesOn(t *testing.T) {
	l := newLab(t)
	old := newGuest(1, "web1")
	s := l.start(old)
	l.wantServed(old)
	next := newGuest(2, "web1")
	next.IPv4 = old.IPv4
	must(t, s.Apply(t.Context(), append(removed(old), added(next)...)))
	l.wantServed(next)
	if got := l.leased(old); got != "" {
		t.Errorf("the old guest still gets %s", got)
	}
}

func TestDHCPOptions(t *testing.T) {
	l := newLab(t)
	guest := newGuest(1, "web1")
	l.start(guest)
	ack := l.dhcp(guest.MAC, dhcpv4.WithRequestedOptions(
		dhcpv4.OptionHostName, dhcpv4.OptionClasslessStaticRoute, dhcpv4.OptionDomainName))
	if ack == nil {
		t.Fatal("no lease")
	}
	for _, c := range []struct{ name, got, want string }{
		{"mask", net.IP(ack.SubnetMask()).String(), "255.255.0.0"},
		{"router", ack.Router()[0].String(), "10.122.0.1"},
		{"DNS server", ack.DNS()[0].String(), "10.122.0.1"},
		{"domain", ack.DomainName(), "example.net"},
		{"host name", ack.HostName(), "web1"},
		{"lease", ack.IPAddressLeaseTime(0).String(), "1h0m0s"},
		{"routes", routes(ack), "169.254.169.254/32 10.122.0.1 0.0.0.0/0 10.122.0.1"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.name, c.got, c.want)
		}
	}
}

func routes(ack *dhcpv4.DHCPv4) string {
	var parts []string
	for _, route := range ack.ClasslessStaticRoute() {
		parts = append(parts, fmt.Sprint(route.Dest), route.Router.String())
	}
	return strings.Join(parts, " ")
}

// No guest makes a name in DNS by what its DHCP client says of itself.
func TestClientNamesAreIgnored(t *testing.T) {
	l := newLab(t)
	guest := newGuest(1, "web1")
	l.start(guest)
	fqdn := append([]byte{0x01, 0, 0}, "proxy.example.net"...) // RFC 4702: "make this my name"
	if ack := l.dhcp(guest.MAC, dhcpv4.WithOption(dhcpv4.OptHostName("wpad")),
		dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionFQDN, fqdn))); ack == nil {
		t.Fatal("no lease")
	}
	for _, name := range []string{"wpad", "wpad.example.net", "proxy", "proxy.example.net"} {
		if got := l.lookup(name); got != nil {
			t.Errorf("%s is %v", name, got)
		}
	}
	l.wantServed(guest)
}
