package dnsmasq

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"mdserver/internal/instance"
)

// The hosts of one inventory may each have a range of their own. Names lead to the
// guests of all, and addresses to their names, as on their own host. When a guest moves,
// its names lead to its new address.
func TestRangeOfAnotherHost(t *testing.T) {
	for _, order := range [][]string{{"base"}, {"prefix", "domain", "base"}} {
		t.Run(order[0], func(t *testing.T) {
			l := newLab(t)
			l.HostID, l.EntryOrder = "a", order
			l.Network6, l.Gateway6 = netip.MustParsePrefix("fd00:122::/64"), netip.MustParseAddr("fd00:122::1")
			own, away := newGuest(1, "own"), newGuest(2, "away")
			own.HostID, away.HostID = "a", "b"
			away.IPv4, away.IPv6 = netip.MustParseAddr("10.123.0.2"), netip.MustParseAddr("fd00:123::2")
			s := l.start(own, away)
			l.wantServed(own)
			l.wantNames(away)

			moving := away // it has its old address until it has arrived
			moving.HostID, moving.FromID = "a", "b"
			must(t, s.Apply(t.Context(), changed(away, moving)))
			l.wantNames(moving)
			if got := l.leased(moving); got != "" {
				t.Errorf("on its way it gets %s here", got)
			}
			here := moving
			here.FromID, here.IPv4, here.IPv6 = "", netip.MustParseAddr("10.122.1.2"), netip.MustParseAddr("fd00:122::2")
			must(t, s.Apply(t.Context(), changed(moving, here)))
			l.wantServed(here)
			l.wantNames(here)
			if got := l.reverse(away.IPv4.String()); got != nil {
				t.Errorf("the old address has the name %v", got)
			}
		})
	}
}

// wantNames checks that a guest's names with and without the domain lead to its
// addresses, and these back to the first.
func (l *lab) wantNames(guest instance.Instance) {
	l.t.Helper()
	names := instance.HostNames(guest.Hostname, l.Prefix, l.Domain, l.EntryOrder)
	for _, name := range append(names, guest.Hostname+"."+l.Domain) {
		if got := l.lookup(name); !slices.Equal(got, []string{guest.IPv4.String()}) {
			l.t.Errorf("%s leads to %v, want %v", name, got, guest.IPv4)
		}
		if got := l.query(name, dns.TypeAAAA); !slices.Equal(got, []string{guest.IPv6.String()}) {
			l.t.Errorf("%s leads to %v, want %v", name, got, guest.IPv6)
		}
	}
	first := instance.FQDN(names[0], l.Domain) + "."
	for _, addr := range guest.Addrs() {
		if got := l.reverse(addr.String()); !slices.Equal(got, []string{first}) {
			l.t.Errorf("%v has the names %v, want %s", addr, got, first)
		}
	}
}
