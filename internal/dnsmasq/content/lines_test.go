package content

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/instance"
)

func TestValidName(t *testing.T) {
	label := strings.Repeat("x", instance.MaxLabel)
	longest := strings.Join([]string{label, label, label, label[:61]}, ".")
	for name, want := range map[string]bool{
		"web1": true, "WEB-1.example.net": true, "_dmarc.example": true, "1": true, label: true, longest: true,
		"": false, ".": false, "a.": false, ".a": false, "a..b": false, "-a": false, "a-": false, "a-.b": false, "a.-b": false,
		"a b": false, "ä": false, "a,b": false, label + "x": false, longest + "x": false,
	} {
		if got := validName(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// A final dot keeps dnsmasq from taking a host name for a keyword or a lease time.
func TestNamesThatAreWordsOfDnsmasq(t *testing.T) {
	for name, want := range map[string]string{
		"ignore": "ignore.", "infinite": "infinite.", "12": "12.", "12h": "12h.", "7D": "7D.", "s": "s.", "1w": "1w.",
		"web1": "web1", "12hh": "12hh", "h12": "h12", "12x": "12x", "ignored": "ignored", "sms": "sms",
	} {
		if got := escapeWord(name); got != want {
			t.Errorf("%s became %s, want %s", name, got, want)
		}
	}
}

// The lines are the last place where a guest's text could add lines to a file.
func TestLinesWithForbiddenCharacters(t *testing.T) {
	for text, kept := range map[string]bool{"a ~": true, "a\nb": false, "a\x1f": false, "a\x7f": false, "ä": false, "a\x00": false} {
		w := &lineWriter{}
		w.line(&w.dnsText, text)
		want, problems := "", []string{fmt.Sprintf("omitted a line with forbidden characters: %q", text)}
		if kept {
			want, problems = text+"\n", nil
		}
		if got := w.dnsText.String(); got != want || !slices.Equal(w.problems, problems) {
			t.Errorf("%q: wrote %q, problems %q", text, got, w.problems)
		}
	}
}

// A guest's address on another host's range has names here. dnsmasq adds the domain for
// the addresses of its own range alone, so the file has the names with it.
func TestNamesOfAnotherRange(t *testing.T) {
	for name, tt := range map[string]struct {
		domain, addr string
		names        []string
		want         string
	}{
		"own range":         {"example.net", "10.122.1.1", []string{"web1"}, "10.122.1.1 web1\n"},
		"another range":     {"example.net", "10.123.1.1", []string{"web1"}, "10.123.1.1 web1.example.net web1\n"},
		"with its domain":   {"example.net", "10.123.1.1", []string{"web1.example.net"}, "10.123.1.1 web1.example.net\n"},
		"both":              {"example.net", "10.123.1.1", []string{"web1", "web1.example.net"}, "10.123.1.1 web1.example.net web1\n"},
		"without a domain":  {"", "10.123.1.1", []string{"web1"}, "10.123.1.1 web1\n"},
		"a domain too long": {strings.Repeat("d.", 125) + "d", "10.123.1.1", []string{"web1"}, "10.123.1.1 web1\n"},
		"IPv6 of another":   {"example.net", "fd00:9::1", []string{"web1"}, "fd00:9::1 web1.example.net web1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid().Complete()
			s.Domain, s.Network6 = tt.domain, netip.MustParsePrefix("fd00:122::/64")
			w := &lineWriter{}
			addr := netip.MustParseAddr(tt.addr)
			w.host(addr, s.namesAt(addr, tt.names)...)
			if got := w.dnsText.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// An interface with an MTU of its own is marked, and a second interface has no name.
func TestEntriesOfTwoInterfaces(t *testing.T) {
	s := valid().Complete()
	s.MTU, s.Network6 = 1450, netip.MustParsePrefix("fd00:122::/64")
	guest := instance.Instance{Name: "web1", Hostname: "web1"}
	place := instance.Attachment{Network: "mds", MAC: instance.MAC{0x52, 0x54, 5: 1},
		IPv4: netip.MustParseAddr("10.122.1.1"), IPv6: netip.MustParseAddr("fd00:122::77")}
	guest.Attach([]instance.Attachment{place})
	guest.Interfaces = []instance.Interface{{MAC: place.MAC, Network: "mds", MTU: 1400}}
	const six = "52:54:00:00:00:01,id:*,[fd00:122::77],86400\n"
	for first, want := range map[bool]string{
		true:  six + "52:54:00:00:00:01,id:*,10.122.1.1,tag:!declined,set:mtu1400,[100::],web1,86400\n",
		false: six + "52:54:00:00:00:01,id:*,10.122.1.1,tag:!declined,set:mtu1400,86400\n",
	} {
		e, problems := s.EntryOf(guest, place, first)
		if e.DHCP != want || e.MTU != 1400 || (e.DNS != "") != first || len(problems) > 0 {
			t.Errorf("first %v: %q and %q, MTU %d, problems %q, want %q", first, e.DHCP, e.DNS, e.MTU, problems, want)
		}
	}
}

func TestEntries(t *testing.T) {
	mac, addr := instance.MAC{2, 5: 1}, netip.MustParseAddr("10.122.0.1")
	for b, want := range map[Binding]bool{{mac, addr}: true, {mac, netip.Addr{}}: false, {instance.MAC{}, addr}: false} {
		if got := b.Valid(); got != want {
			t.Errorf("%v is valid: %v", b, got)
		}
	}
	full := Entry{DHCP: "a\n", DNS: "b\n"}
	for _, tt := range []struct {
		other       Entry
		same, empty bool
	}{
		{Entry{DHCP: "a\n", DNS: "b\n", MTU: 1400}, true, false},
		{Entry{DHCP: "a\n"}, false, false},
		{Entry{DNS: "b\n"}, false, false},
		{Entry{Names: []string{"web1"}}, false, true},
	} {
		if full.Same(tt.other) != tt.same || tt.other.Empty() != tt.empty {
			t.Errorf("%+v is the same: %v, empty: %v", tt.other, full.Same(tt.other), tt.other.Empty())
		}
	}
}

func TestRevision(t *testing.T) {
	const digest = "0123456789abcdef"
	m := Marker{Address: markerAddress(digest)}
	if m.Address != netip.MustParseAddr("100::123:4567:89ab:cdef") || m.Revision() != digest {
		t.Errorf("the marker of %s is %v, of the revision %s", digest, m.Address, m.Revision())
	}
}

func TestLeaseTime(t *testing.T) {
	for given, want := range map[time.Duration]string{
		0: "86400", -time.Hour: "86400", time.Second: "120", 2 * time.Minute: "120", 150500 * time.Millisecond: "150", 48 * time.Hour: "172800",
	} {
		if got := (Settings{LeaseTime: given}).leaseSeconds(); got != want {
			t.Errorf("a lease of %v is for %s seconds, want %s", given, got, want)
		}
	}
}

func TestMostLeases(t *testing.T) {
	for _, tt := range []struct {
		network, network6 string
		want              int
	}{
		{"10.122.0.0/24", "", 1000},
		{"10.122.0.0/24", "fd00::/64", 1000},
		{"10.122.0.0/22", "", 1024},
		{"10.122.0.0/23", "fd00::/64", 1024},
		{"10.122.0.0/16", "fd00::/64", 131072},
	} {
		s := Settings{Network: netip.MustParsePrefix(tt.network)}
		if tt.network6 != "" {
			s.Network6 = netip.MustParsePrefix(tt.network6)
		}
		if got := s.mostLeases(); got != tt.want {
			t.Errorf("%s %s: %d leases, want %d", tt.network, tt.network6, got, tt.want)
		}
	}
}

// IPv6 knows no MTU below 1280, so none is advertised.
func TestAdvertisements(t *testing.T) {
	for _, tt := range []struct {
		mtu     int
		further bool
		want    string
	}{
		{0, false, ""},
		{1279, false, ""},
		{1280, false, "ra-param=br-mds,mtu:1280,600\n"},
		{1279, true, "ra-param=br-mds,low,600\n"},
		{1500, true, "ra-param=br-mds,mtu:1500,low,600\n"},
	} {
		c := &directives{}
		c.advertisements(Settings{Interface: "br-mds", MTU: tt.mtu, Further: tt.further})
		if got := c.String(); got != tt.want {
			t.Errorf("MTU %d, further %v: %q, want %q", tt.mtu, tt.further, got, tt.want)
		}
	}
}

func TestPrivateRebinding(t *testing.T) {
	for want, domains := range map[string][]string{"": nil, "rebind-domain-ok=/lan/\n": {"lan"}, "rebind-domain-ok=/lan/corp.example/\n": {"lan", "corp.example"}} {
		c := &directives{}
		c.rebind(Settings{Rebind: RebindPrivate, RebindDomains: domains})
		if _, got, _ := strings.Cut(c.String(), "rebind-localhost-ok\n"); got != want {
			t.Errorf("%q: %q, want %q", domains, got, want)
		}
	}
	for addr, want := range map[string]bool{"10.0.0.1": true, "fd00::1": true, "169.254.1.1": true, "fe80::1": true, "100.64.0.1": true,
		"100.63.255.255": false, "8.8.8.8": false, "2001:db8::1": false} {
		if got := private(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is private: %v, want %v", addr, got, want)
		}
	}
}

// A change of any of these restarts dnsmasq.
func TestSamePlace(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"mode":     func(s *Settings) { s.Mode = Off },
		"binary":   func(s *Settings) { s.Binary = "/opt/dnsmasq" },
		"user":     func(s *Settings) { s.User = "nobody" },
		"base_dir": func(s *Settings) { s.BaseDir = "/other" },
		"run_dir":  func(s *Settings) { s.RunDir = "/other" },
		"net_name": func(s *Settings) { s.NetName = "other" },
	} {
		s := valid()
		if change(&s); s.SamePlace(valid()) {
			t.Errorf("another %s is taken for the same place", name)
		}
	}
	s := valid()
	if s.Domain = "example.net"; !s.SamePlace(valid()) {
		t.Error("another domain is taken for another place")
	}
}

func TestPlaces(t *testing.T) {
	s := valid()
	for got, want := range map[string]string{
		s.ConfigFile(): "/base/mds.conf", s.OptionsFile(): "/base/mds.opts", s.Scratch(): "/base/tmp",
		s.DHCPFile(): "/base/dhcp/mds.dhcp-hosts", s.DNSFile(): "/base/dns/mds.dns-hosts", s.DHCPDir(): "/base/dhcp.d", s.DNSDir(): "/base/dns.d",
		s.PIDFile(): "/run/mds.pid", s.ExternalPIDFile(): "/run/dnsmasq/mds.pid",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestComplete(t *testing.T) {
	if s := (Settings{}).Complete(); s.Binary != "dnsmasq" || !slices.Equal(s.EntryOrder, []string{"base"}) {
		t.Errorf("got %q and %q", s.Binary, s.EntryOrder)
	}
	given := Settings{Binary: "/opt/dnsmasq", EntryOrder: []string{"fqdn"}}
	if s := given.Complete(); s.Binary != "/opt/dnsmasq" || !slices.Equal(s.EntryOrder, []string{"fqdn"}) {
		t.Errorf("got %q and %q", s.Binary, s.EntryOrder)
	}
}
