package dnsmasq

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"mdserver/internal/instance"
)

func TestFurtherOptions(t *testing.T) {
	l := newLab(t)
	guest := l.withIPv6(newGuest(1, "web1"))
	l.NTPServers = []netip.Addr{netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fd00:122::1")}
	l.DomainSearch = []string{"example.net", "corp.example"}
	l.MTU = 1450
	l.Boot = "ipxe.efi,tftp,10.122.0.7"
	s := l.start(guest)
	if !s.Status().Live {
		t.Fatalf("dnsmasq does not serve: %+v", s.Status())
	}
	ack := l.dhcp(guest.MAC, dhcpv4.WithRequestedOptions(dhcpv4.OptionNTPServers, dhcpv4.OptionDNSDomainSearchList,
		dhcpv4.OptionInterfaceMTU, dhcpv4.OptionBootfileName, dhcpv4.OptionTFTPServerName))
	if ack == nil {
		t.Fatal("no lease")
	}
	if got := ack.NTPServers(); len(got) != 1 || !got[0].Equal(net.IPv4(10, 122, 0, 1)) {
		t.Errorf("NTP servers %v", got)
	}
	if got := ack.DomainSearch(); got == nil || !slices.Equal(got.Labels, l.DomainSearch) {
		t.Errorf("search list %v", got)
	}
	if got := ack.Options.Get(dhcpv4.OptionInterfaceMTU); !slices.Equal(got, []byte{1450 >> 8, 1450 & 0xff}) {
		t.Errorf("MTU %v", got)
	}
	if got := ack.BootFileNameOption() + ack.BootFileName; !strings.Contains(got, "ipxe.efi") || !ack.ServerIPAddr.Equal(net.IPv4(10, 122, 0, 7)) {
		t.Errorf("boot file %q from %v", got, ack.ServerIPAddr)
	}
	if got := l.leased6(guest); got != guest.IPv6.String() {
		t.Errorf("IPv6 address %q", got)
	}
}

// The administrator's lines never keep guests from their addresses.
func TestConfFile(t *testing.T) {
	l := newLab(t)
	l.ConfFile = filepath.Join(filepath.Dir(l.BaseDir), "further.conf")
	put := func(text string) { must(t, os.WriteFile(l.ConfFile, []byte(text), 0o644)) }
	guest := newGuest(1, "web1")
	const printer = "host-record=printer.example.net,10.122.0.9"

	put(printer + "\nno-such-directive=1\n")
	s := l.start(guest)
	l.wantServed(guest)
	if st := s.Status(); !st.Live || !strings.Contains(st.Warning, "further.conf") || !strings.Contains(st.Warning, "bad option") {
		t.Errorf("with a bad file: %+v", st)
	}
	put(printer)
	must(t, s.Reconfigure(t.Context(), l.Settings, []instance.Instance{guest}))
	if got := l.lookup("printer.example.net"); !slices.Equal(got, []string{"10.122.0.9"}) {
		t.Errorf("the file was put right, but the name in it is %v", got)
	}
	if st := s.Status(); strings.Contains(st.Warning, "further.conf") || !st.Live {
		t.Errorf("with a good file: %+v", st)
	}
	for _, bad := range []string{"dhcp-option=option:nosuch,1\n", "dhcp-range=\n"} {
		put(bad)
		if err := s.Reconfigure(t.Context(), l.Settings, []instance.Instance{guest}); err == nil || !strings.Contains(err.Error(), "refuses") {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
	must(t, os.Remove(l.ConfFile))
	if err := s.Reconfigure(t.Context(), l.Settings, []instance.Instance{guest}); err == nil {
		t.Error("a missing file is taken")
	}
	l.wantServed(guest)
	if got := l.lookup("printer.example.net"); !slices.Equal(got, []string{"10.122.0.9"}) {
		t.Errorf("after a bad reload the name is %v", got)
	}
}

// mtuOf is what a guest is told by option 26, 0 for nothing.
func (l *lab) mtuOf(guest instance.Instance) int {
	l.t.Helper()
	ack := l.dhcp(guest.MAC, dhcpv4.WithRequestedOptions(dhcpv4.OptionInterfaceMTU))
	if ack == nil {
		l.t.Fatalf("%s gets no lease", guest.Hostname)
	}
	if raw := ack.Options.Get(dhcpv4.OptionInterfaceMTU); len(raw) == 2 {
		return int(raw[0])<<8 | int(raw[1])
	}
	return 0
}

// A guest is told of the MTU of its interface, whatever guests there were
// before. The configuration's is for those that have none.
func TestInterfaceMTU(t *testing.T) {
	l := newLab(t)
	with := func(n, mtu int) instance.Instance {
		guest := newGuest(n, fmt.Sprintf("web%d", n))
		guest.Interfaces = []instance.Interface{{MAC: guest.MAC, Network: l.NetName, MTU: mtu}}
		return guest
	}
	plain, small, jumbo, again, tiny := with(1, 0), with(2, 1400), with(3, 9000), with(4, 1400), with(5, 60)
	s := l.start(plain, small)
	want := func(guest instance.Instance, mtu int) {
		t.Helper()
		if got := l.mtuOf(guest); got != mtu {
			t.Errorf("%s is told of the MTU %d, want %d", guest.Hostname, got, mtu)
		}
	}
	want(plain, 0)
	want(small, 1400)
	for _, fresh := range []instance.Instance{jumbo, again, tiny} {
		must(t, s.Apply(t.Context(), added(fresh)))
	}
	want(jumbo, 9000)
	want(again, 1400)
	want(tiny, 0) // less than option 26 can say
	want(plain, 0)

	changedJumbo := jumbo
	changedJumbo.Interfaces = with(3, 8000).Interfaces
	must(t, s.Apply(t.Context(), changed(jumbo, changedJumbo)))
	want(changedJumbo, 8000)

	l.MTU = 1450
	must(t, s.Reconfigure(t.Context(), l.Settings, []instance.Instance{plain, small}))
	want(plain, 1450)
	want(small, 1400)
}
