package dnsmasq

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/vishvananda/netlink"

	"mdserver/internal/instance"
)

// tell sends a DHCPv4 message as the machine with one MAC in the name of
// another, as DHCPDECLINE and DHCPRELEASE are: nobody answers.
func (l *lab) tell(sender instance.MAC, kind dhcpv4.MessageType, guest instance.Instance, modifiers ...dhcpv4.Modifier) {
	l.t.Helper()
	message, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr(guest.MAC[:]),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(l.Gateway.AsSlice())),
	}, modifiers...)...)
	must(l.t, err)
	l.inGuest(func() {
		link, err := netlink.LinkByName(l.veth)
		must(l.t, err)
		must(l.t, netlink.LinkSetHardwareAddr(link, sender[:]))
		client, err := nclient4.New(l.veth, nclient4.WithTimeout(50*time.Millisecond), nclient4.WithRetry(1))
		must(l.t, err)
		defer client.Close()
		broadcast := &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort}
		if _, err := client.SendAndRead(l.t.Context(), broadcast, message, nil); err == nil {
			l.t.Error("dnsmasq answers it")
		}
	})
}

// Whoever declines a guest's address, the guest gets it at once: it has no
// other. The wait for an answer of TestMain's lab is shorter than any healing.
func TestDecline(t *testing.T) {
	l := newLab(t)
	leased, fresh, later := newGuest(1, "web1"), newGuest(2, "web2"), newGuest(3, "web3")
	s := l.start(leased, fresh)
	must(t, s.Apply(t.Context(), added(later))) // by a watched directory
	l.wantServed(leased)                        // and so has a lease
	for _, guest := range []instance.Instance{leased, fresh, later} {
		address := dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(guest.IPv4.AsSlice()))
		for name, sender := range map[string]instance.MAC{"a neighbour": {2, 0, 0, 0, 0, 9}, "itself": guest.MAC} {
			for range 3 {
				l.tell(sender, dhcpv4.MessageTypeDecline, guest, address)
			}
			if got := l.leased(guest); got != guest.IPv4.String() {
				t.Errorf("after a DHCPDECLINE by %s, %s gets %q", name, guest.Name, got)
			}
			l.tell(sender, dhcpv4.MessageTypeRelease, guest, dhcpv4.WithClientIP(guest.IPv4.AsSlice()))
			l.wantServed(guest)
		}
	}
	l.eventually("the log tells of the DHCPDECLINE", func() bool { return strings.Contains(l.log.text(), "DHCPDECLINE(br-mds) 10.122.1.1") })
	if strings.Contains(l.log.text(), "disabling") {
		t.Error("dnsmasq has disabled an address")
	}
}

// A neighbour with a guest's client-id gets nothing, and takes nothing from it.
func TestForeignClientID(t *testing.T) {
	l := newLab(t)
	guest := newGuest(1, "web1")
	l.start(guest)
	id := dhcpv4.WithOption(dhcpv4.OptClientIdentifier(append([]byte{1}, guest.MAC[:]...)))
	if ack := l.dhcp(guest.MAC, id); ack == nil {
		t.Fatal("no lease")
	}
	if ack := l.dhcp(instance.MAC{2, 0, 0, 0, 0, 9}, id); ack != nil {
		t.Errorf("the neighbour gets %v", ack.YourIPAddr)
	}
	l.wantServed(guest)
}

func TestDecline6(t *testing.T) {
	l := newLab(t)
	guest := l.withIPv6(newGuest(1, "web1"))
	var mu sync.Mutex
	var heard []string
	s := l.listen(func(mac instance.MAC, message string) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, message+" "+mac.String())
	}, guest)
	if got := l.leased6(guest); got != guest.IPv6.String() {
		t.Fatalf("the guest gets %q", got)
	}
	l.decline6(guest)
	if got := l.leased6(guest); got != "" {
		t.Fatalf("dnsmasq takes no notice of a DHCPv6 Decline, the guest gets %q: this test shows nothing", got)
	}
	s.CatchUp(t.Context())
	if got := l.leased6(guest); got != guest.IPv6.String() {
		t.Errorf("the guest gets %q once it was healed", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "DHCPDECLINE " + guest.MAC.String(); !slices.Contains(heard, want) {
		t.Errorf("heard %q, want %q among them", heard, want)
	}
}

func TestHealingIsThrottled(t *testing.T) {
	var d declines
	const line = "disabling DHCP static address fd00:122::77 for 10m"
	d.note("DHCPDECLINE(br-mds) disabling DHCP static address fd00::1 for 10m")
	if got := d.take(); got != nil {
		t.Errorf("takes %v from what a client may have said", got)
	}
	d.note(line)
	d.note(line)
	if got := d.take(); !slices.Equal(got, []netip.Addr{netip.MustParseAddr("fd00:122::77")}) {
		t.Errorf("takes %v", got)
	}
	d.done(time.Hour)
	d.note(line)
	if got := d.take(); got != nil {
		t.Errorf("takes %v at once after a reload of an hour", got)
	}
	d.done(0)
	if got := d.take(); len(got) != 1 {
		t.Errorf("forgot what was declined meanwhile: %v", got)
	}
	synctest.Test(t, func(t *testing.T) {
		d.done(time.Second)
		d.note(line)
		if time.Sleep(healThrottle*time.Second - 1); d.take() != nil {
			t.Errorf("takes addresses before %d times a reload of a second", healThrottle)
		}
		if time.Sleep(time.Nanosecond); len(d.take()) != 1 {
			t.Errorf("takes no addresses after %d times a reload of a second", healThrottle)
		}
	})
}

// withIPv6 gives the network IPv6, and the guest an address.
func (l *lab) withIPv6(guest instance.Instance) instance.Instance {
	l.t.Helper()
	l.Network6, l.Gateway6 = netip.MustParsePrefix("fd00:122::/64"), netip.MustParseAddr("fd00:122::1")
	link, err := netlink.LinkByName(l.Interface)
	must(l.t, err)
	addr, err := netlink.ParseAddr("fd00:122::1/64")
	must(l.t, err)
	addr.Flags = syscall.IFA_F_NODAD
	must(l.t, netlink.AddrAdd(link, addr))
	guest.IPv6 = netip.MustParseAddr("fd00:122::77")
	return guest
}

// client6 acts as the machine with the guest's MAC.
func (l *lab) client6(guest instance.Instance, act func(*nclient6.Client)) {
	l.t.Helper()
	l.inGuest(func() {
		link, err := netlink.LinkByName(l.veth)
		must(l.t, err)
		must(l.t, netlink.LinkSetDown(link)) // or it keeps the former guest's link-local address
		must(l.t, netlink.LinkSetHardwareAddr(link, guest.MAC[:]))
		must(l.t, netlink.LinkSetUp(link))
		l.eventually("the guest's link-local address is usable", func() bool { return hasLinkLocal(l.t, l.veth) })
		client, err := nclient6.New(l.veth, nclient6.WithTimeout(400*time.Millisecond), nclient6.WithRetry(2))
		must(l.t, err)
		defer client.Close()
		act(client)
	})
}

// leased6 is the IPv6 address that the guest gets, or "".
func (l *lab) leased6(guest instance.Instance) (got string) {
	l.t.Helper()
	l.client6(guest, func(client *nclient6.Client) {
		adv, err := client.Solicit(l.t.Context())
		if err != nil || adv.Options.OneIANA() == nil {
			return
		}
		if addr := adv.Options.OneIANA().Options.OneAddress(); addr != nil {
			got = addr.IPv6Addr.String()
		}
	})
	return got
}

// lease6 has the guest take its IPv6 address.
func (l *lab) lease6(guest instance.Instance) {
	l.t.Helper()
	l.client6(guest, func(client *nclient6.Client) {
		adv, err := client.Solicit(l.t.Context())
		must(l.t, err)
		_, err = client.Request(l.t.Context(), adv)
		must(l.t, err)
	})
}

// decline6 says that the guest's IPv6 address is another's.
func (l *lab) decline6(guest instance.Instance) {
	l.t.Helper()
	l.client6(guest, func(client *nclient6.Client) {
		adv, err := client.Solicit(l.t.Context())
		must(l.t, err)
		message, err := dhcpv6.NewMessage(dhcpv6.WithClientID(adv.Options.ClientID()), dhcpv6.WithServerID(adv.Options.ServerID()),
			dhcpv6.WithOption(adv.Options.OneIANA()))
		must(l.t, err)
		message.MessageType = dhcpv6.MessageTypeDecline
		_, err = client.SendAndRead(l.t.Context(), nclient6.AllDHCPRelayAgentsAndServers, message, nil)
		must(l.t, err)
	})
}
