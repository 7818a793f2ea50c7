package content

import (
	"net/netip"
	"slices"
	"testing"

	"mdserver/internal/instance"
)

func TestReverseZones(t *testing.T) {
	for network, want := range map[string]struct {
		count       int
		first, last string
	}{
		"10.122.0.0/16":       {1, "122.10.in-addr.arpa", "122.10.in-addr.arpa"},
		"10.122.16.0/20":      {16, "16.122.10.in-addr.arpa", "31.122.10.in-addr.arpa"},
		"192.168.7.128/25":    {128, "128.7.168.192.in-addr.arpa", "255.7.168.192.in-addr.arpa"},
		"192.168.7.4/30":      {4, "4.7.168.192.in-addr.arpa", "7.7.168.192.in-addr.arpa"},
		"128.0.0.0/1":         {128, "128.in-addr.arpa", "255.in-addr.arpa"},
		"169.254.169.254/32":  {1, "254.169.254.169.in-addr.arpa", "254.169.254.169.in-addr.arpa"},
		"fd00:122::/32":       {1, "2.2.1.0.0.0.d.f.ip6.arpa", "2.2.1.0.0.0.d.f.ip6.arpa"},
		"fd00::/6":            {4, "c.f.ip6.arpa", "f.f.ip6.arpa"},
		"fd00:122:0:0:4::/78": {4, "4.0.0.0.0.0.0.0.0.0.0.0.2.2.1.0.0.0.d.f.ip6.arpa", "7.0.0.0.0.0.0.0.0.0.0.0.2.2.1.0.0.0.d.f.ip6.arpa"},
	} {
		zones := reverseZones(netip.MustParsePrefix(network))
		if len(zones) != want.count || zones[0] != want.first || zones[len(zones)-1] != want.last {
			t.Errorf("%s: %v", network, zones)
		}
	}
	if zones := reverseZones(netip.Prefix{}); zones != nil {
		t.Errorf("no network: %v", zones)
	}
}

// A public network's guests may be named by anybody.
func TestPublicAddressesAreNotDenied(t *testing.T) {
	c := &directives{}
	c.rebind(Settings{Rebind: RebindOwn, OwnPrefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), {}, netip.MustParsePrefix("169.254.169.254/32")}})
	const want = "bogus-nxdomain=169.254.169.254/32\nbogus-nxdomain=::ffff:169.254.169.254/128\n" +
		"bogus-nxdomain=fd00:ec2::254/128\nbogus-nxdomain=fe80::a9fe:a9fe/128\n"
	if got := c.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestMetadataRoute(t *testing.T) {
	for listen, want := range map[string]string{
		"169.254.169.254": "169.254.169.254", "10.122.0.1": "10.122.0.1", "0.0.0.0": "169.254.169.254", "::": "169.254.169.254",
	} {
		if got := (Settings{MetadataAddress: netip.MustParseAddr(listen)}).metadataAddress(); got.String() != want {
			t.Errorf("listening at %s, the route leads to %s, want %s", listen, got, want)
		}
	}
}

func TestBindings(t *testing.T) {
	text := "52:54:00:00:00:01,id:*,10.122.0.1,tag:!declined,web1,3600\n" +
		"52:54:00:00:00:02,id:*,[fd00:122::2],3600\n" +
		"52:54:00:00:00:03,id:*,fd00:122::3,3600\n" +
		"  52:54:00:00:00:04,web4,10.122.0.4,3600  \n" +
		"52:54:00:00:00:05,10.122.0.5\n" +
		"52:54:00:00:00:07,id:*,10.122.0.7\n" +
		"no,id:*,10.122.0.6\n\n"
	want := []Binding{
		{instance.MAC{0x52, 0x54, 0, 0, 0, 1}, netip.MustParseAddr("10.122.0.1")},
		{instance.MAC{0x52, 0x54, 0, 0, 0, 4}, netip.MustParseAddr("10.122.0.4")},
		{instance.MAC{0x52, 0x54, 0, 0, 0, 7}, netip.MustParseAddr("10.122.0.7")},
	}
	if got := Bindings(text); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func TestGuestMTU(t *testing.T) {
	s := Settings{MTU: 1450}
	for nic, want := range map[int]int{0: 0, 1450: 0, 1400: 1400} {
		if got := s.guestMTU(nic); got != want {
			t.Errorf("an interface with the MTU %d is told %d, want %d", nic, got, want)
		}
	}
}
