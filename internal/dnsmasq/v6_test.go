package dnsmasq

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
)

func TestIPv6(t *testing.T) {
	l := newLab(t)
	guest := l.withIPv6(newGuest(1, "web1"))
	other := newGuest(2, "web2")
	other.IPv6 = netip.MustParseAddr("fd00:122::78")
	s := l.start(guest, other)
	must(t, s.Apply(t.Context(), removed(other))) // dnsmasq reads its files again
	l.wantServed(guest)
	if log := l.log.text(); strings.Contains(log, "duplicate") {
		t.Error("dnsmasq finds the guest's address twice in its files")
	}
	if got := l.query("web1", dns.TypeAAAA); !slices.Equal(got, []string{"fd00:122::77"}) {
		t.Errorf("AAAA %v", got)
	}
	if got := l.reverse("fd00:122::77"); !slices.Equal(got, []string{"lab-web1.example.net."}) {
		t.Errorf("PTR %v", got)
	}
	if got := l.leased6(guest); got != "fd00:122::77" {
		t.Errorf("got %q", got)
	}
}

// TestAddressOfDepartedGuest6: dnsmasq keeps an IPv6 lease until it runs out. A new
// guest that has the address of one that is gone gets it all the same.
func TestAddressOfDepartedGuest6(t *testing.T) {
	l := newLab(t)
	guest := l.withIPv6(newGuest(1, "web1"))
	s := l.start(guest)
	l.lease6(guest)
	must(t, s.Apply(t.Context(), removed(guest)))
	heir := newGuest(2, "web2")
	heir.IPv6 = guest.IPv6
	must(t, s.Apply(t.Context(), added(heir)))
	if got := l.leased6(heir); got != heir.IPv6.String() {
		t.Errorf("the guest gets %q, want %s", got, heir.IPv6)
	}
}

func TestOddPrefixes(t *testing.T) {
	for _, bits := range []int{8, 20, 28} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			l := newLab(t)
			l.Network = netip.PrefixFrom(netip.MustParseAddr("10.122.0.1"), bits).Masked()
			s := l.start(newGuest(1, "web1"))
			if !s.Status().Live || !slices.Equal(l.lookup("web1"), []string{"10.122.1.1"}) {
				t.Errorf("/%d does not start", bits)
			}
		})
	}
}

func TestNoDNS(t *testing.T) {
	l := newLab(t)
	l.UseDNS = false
	g := newGuest(1, "ignore")
	l.start(g)
	l.wantServed(g)
	if ack := l.dhcp(g.MAC, dhcpv4.WithRequestedOptions(dhcpv4.OptionHostName, dhcpv4.OptionDomainNameServer)); ack == nil || len(ack.DNS()) != 0 || ack.HostName() != "ignore" {
		t.Errorf("%q dns=%v", ack.HostName(), ack.DNS())
	}
}

// hasLinkLocal tells whether the interface has a link-local address that
// duplicate address detection has let through, so that sockets can use it.
func hasLinkLocal(t testing.TB, name string) bool {
	t.Helper()
	link, err := netlink.LinkByName(name)
	must(t, err)
	addrs, err := netlink.AddrList(link, netlink.FAMILY_V6)
	must(t, err)
	return slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
		return a.IP.IsLinkLocalUnicast() && a.Flags&syscall.IFA_F_TENTATIVE == 0
	})
}
