package dnsmasq

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"mdserver/internal/instance"
)

// A guest with two interfaces on the network has an address by each. Its name
// and its default route are those of the first.
func TestTwoInterfaces(t *testing.T) {
	l := newLab(t)
	web := l.withIPv6(newGuest(1, "web"))
	alone := web
	first := web.Primary()
	second := instance.Attachment{Network: l.NetName, MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 2},
		IPv4: netip.MustParseAddr("10.122.0.99"), IPv6: netip.MustParseAddr("fd00:122::99")}
	web.Attach([]instance.Attachment{first, second})
	by := func(place instance.Attachment) instance.Instance { // as if the guest had this interface alone
		guest := web
		guest.Attach([]instance.Attachment{place})
		return guest
	}
	want := func(guest instance.Instance, places ...instance.Attachment) {
		t.Helper()
		for i, place := range places {
			if got := l.leased(by(place)); got != place.IPv4.String() {
				t.Errorf("interface %d got %q, want %v", i+1, got, place.IPv4)
			}
			_, classless, _ := l.routesOf(by(place))
			if defaultRoute := len(classless) > len("169.254.169.254/32 10.122.0.1"); defaultRoute != (i == 0) {
				t.Errorf("interface %d: routes %s", i+1, classless)
			}
		}
		for _, name := range instance.HostNames("web", l.Prefix, l.Domain, l.EntryOrder) {
			if got := l.lookup(name); !slices.Equal(got, []string{places[0].IPv4.String()}) {
				t.Errorf("%s is %v, want %v", name, got, places[0].IPv4)
			}
			if got := l.query(name, dns.TypeAAAA); !slices.Equal(got, []string{places[0].IPv6.String()}) {
				t.Errorf("%s is %v, want %v", name, got, places[0].IPv6)
			}
		}
		if got := l.reverse(places[0].IPv4.String()); !slices.Equal(got, []string{"lab-web.example.net."}) {
			t.Errorf("the PTR of the first is %v", got)
		}
	}
	s := l.start(alone)
	want(alone, first)
	if got := l.leased(by(second)); got != "" {
		t.Errorf("an unknown interface got %s", got)
	}

	must(t, s.Apply(t.Context(), changed(alone, web))) // plugged
	want(web, first, second)
	if got := l.leased6(by(second)); got != second.IPv6.String() {
		t.Errorf("the second interface got %q, want %v", got, second.IPv6)
	}
	if got := l.reverse(second.IPv4.String()); got != nil {
		t.Errorf("the PTR of the second is %v", got)
	}
	if s.Status().Guests != 1 {
		t.Errorf("%d guests", s.Status().Guests)
	}

	swapped := web
	swapped.Attach([]instance.Attachment{second, first})
	must(t, s.Apply(t.Context(), changed(web, swapped)))
	want(swapped, second, first)

	unplugged := by(second)
	must(t, s.Apply(t.Context(), changed(swapped, unplugged)))
	want(unplugged, second)
	if got := l.leased(by(first)); got != "" {
		t.Errorf("the interface that went still gets %s", got)
	}

	must(t, s.Apply(t.Context(), removed(unplugged)))
	l.wantGone(unplugged)
}
