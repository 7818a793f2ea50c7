package dnsmasq

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
)

func TestIPv6(t *testing.T) {
	l := newLab(t)
	l.Network6, l.Gateway6 = netip.MustParsePrefix("fd00:122::/64"), netip.MustParseAddr("fd00:122::1")
	link, err := netlink.LinkByName("br-mds")
	must(t, err)
	addr, err := netlink.ParseAddr("fd00:122::1/64")
	must(t, err)
	addr.Flags = syscall.IFA_F_NODAD
	must(t, netlink.AddrAdd(link, addr))
	guest := newGuest(1, "web1")
	guest.IPv6 = netip.MustParseAddr("fd00:122::77")
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
	l.inGuest(func() {
		l.eventually("the guest's link-local address is usable", func() bool { return hasLinkLocal(t, l.veth) })
		c, err := nclient6.New(l.veth, nclient6.WithTimeout(time.Second), nclient6.WithRetry(3))
		must(t, err)
		defer c.Close()
		adv, err := c.Solicit(t.Context())
		must(t, err)
		if got := adv.Options.OneIANA().Options.OneAddress(); got == nil || got.IPv6Addr.String() != "fd00:122::77" {
			t.Errorf("got %v", adv.Summary())
		}
	})
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
func hasLinkLocal(t *testing.T, name string) bool {
	t.Helper()
	link, err := netlink.LinkByName(name)
	must(t, err)
	addrs, err := netlink.AddrList(link, netlink.FAMILY_V6)
	must(t, err)
	return slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
		return a.IP.IsLinkLocalUnicast() && a.Flags&syscall.IFA_F_TENTATIVE == 0
	})
}
