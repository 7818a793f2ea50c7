package metadata

import (
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"mdserver/internal/instance"
)

var (
	mac1 = instance.MAC{0x52, 0x54, 0, 9, 0, 1}
	mac2 = instance.MAC{0x52, 0x54, 0, 9, 0, 2}
)

var testSite = Site{
	PublicKeys: []PublicKey{{Name: "ops", Key: "ssh-ed25519 AAAA ops"}},
	Networks: []instance.Network{{
		Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/16"), IPv6: netip.MustParsePrefix("fd00:122::/64"),
		Gateway4: netip.MustParseAddr("10.122.0.1"), Gateway6: netip.MustParseAddr("fd00:122::1"),
		DNS: []netip.Addr{netip.MustParseAddr("10.122.0.1")}, Domain: "example.net",
	}, {
		Name: "lan", IPv4: netip.MustParsePrefix("10.50.0.0/24"), Gateway4: netip.MustParseAddr("10.50.0.1"),
		IPv6: netip.MustParsePrefix("fd00:50::/64"), Gateway6: netip.MustParseAddr("fd00:50::1"),
		DNS: []netip.Addr{netip.MustParseAddr("10.50.0.1")}, Domain: "lan.example.net",
	}, {
		Name: "jumbo", MTU: 9000,
	}, {
		Name: "routed", Gateway4: netip.MustParseAddr("10.60.0.1"), Gateway6: netip.MustParseAddr("fd00:60::1"),
	}},
	MetadataAddress: netip.MustParseAddr("169.254.169.254"), Host: "kvm1.example.net", Location: "kvm1",
	Region: "kvm1", AvailabilityZone: "kvm1a", AccountID: "000000000001",
}

func testGuest() *instance.Instance {
	return &instance.Instance{
		ID: "i-0123456789abcdef0", Name: "web 1", Hostname: "web-1", Location: "rack 4",
		UUID:    uuid.MustParse("7e5a544d-d555-4133-a443-8229415be7ab"),
		Network: "mds", MAC: mac1, IPv4: netip.MustParseAddr("10.122.0.5"), IPv6: netip.MustParseAddr("fd00:122::5"),
		Hardware:   instance.Hardware{VCPUs: 2, Memory: 2 << 30, Arch: "x86_64"},
		Metadata:   instance.Metadata{Values: map[string]string{"rack": "four"}, Tags: map[string]string{"env": "prod"}},
		Interfaces: []instance.Interface{{MAC: mac2, Network: "default"}, {MAC: mac1, Network: "mds", MTU: 9000}},
		Disks:      []instance.Disk{{Target: "vda", Bus: "virtio", Device: "disk"}},
		FirstSeen:  time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC),
	}
}

var compareAddresses = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestNewTellsWhatIsKnownOfTheGuest(t *testing.T) {
	guest := testGuest()
	want := Document{
		InstanceID: guest.ID, Name: "web 1", UUID: guest.UUID, Hostname: "web-1", Location: "rack 4",
		Hardware: instance.Hardware{VCPUs: 2, Memory: 2 << 30, Arch: "x86_64"}, Tags: guest.Metadata.Tags, Values: guest.Metadata.Values, Disks: guest.Disks,
		FirstSeen: guest.FirstSeen, MAC: mac1, LocalIPv4: guest.IPv4, LocalIPv6: guest.IPv6, Network: testSite.Networks[0],
		PublicKeys: testSite.PublicKeys, Domain: "example.net", MetadataAddress: testSite.MetadataAddress,
		Host: "kvm1.example.net", Region: "kvm1", AvailabilityZone: "kvm1a", AccountID: "000000000001",
		Interfaces: []Interface{
			{MAC: mac2, Network: "default"},
			{
				MAC: mac1, Network: "mds", MTU: 9000, Primary: true,
				IPv4: netip.MustParsePrefix("10.122.0.5/16"), Gateway4: testSite.Networks[0].Gateway4,
				IPv6: netip.MustParsePrefix("fd00:122::5/64"), Gateway6: testSite.Networks[0].Gateway6,
				DNS: testSite.Networks[0].DNS, Search: []string{"example.net"},
			},
		},
	}
	if diff := cmp.Diff(want, New(guest, testSite), compareAddresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFillOverAnother checks that Fill leaves nothing of another guest in a document.
func TestFillOverAnother(t *testing.T) {
	other := testGuest()
	other.Name, other.UUID = "other", uuid.UUID{9}
	for name, guest := range map[string]*instance.Instance{
		"a guest with as much": testGuest(),
		"one with nothing":     {UUID: uuid.UUID{7}, Name: "bare"},
	} {
		d := New(other, testSite)
		d.Fill(guest, &testSite)
		if diff := cmp.Diff(New(guest, testSite), d, compareAddresses, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestInterfacesCarryOnlyWhatTheGuestHas(t *testing.T) {
	tests := []struct {
		name   string
		change func(*instance.Instance)
		want   []Interface
	}{
		{"imported: no interfaces on record", func(g *instance.Instance) { g.Interfaces, g.IPv6 = nil, netip.Addr{} }, []Interface{
			{
				MAC: mac1, Network: "mds", Primary: true, IPv4: netip.MustParsePrefix("10.122.0.5/16"), Gateway4: testSite.Networks[0].Gateway4,
				DNS: testSite.Networks[0].DNS, Search: []string{"example.net"},
			},
		}},
		{"no address at all", func(g *instance.Instance) {
			g.Interfaces, g.IPv4, g.IPv6 = g.Interfaces[1:], netip.Addr{}, netip.Addr{}
		}, []Interface{
			{MAC: mac1, Network: "mds", MTU: 9000, Primary: true, DNS: testSite.Networks[0].DNS, Search: []string{"example.net"}},
		}},
		{"a second network", func(g *instance.Instance) {
			g.Further = []instance.Attachment{{Network: "lan", MAC: mac2, IPv4: netip.MustParseAddr("10.50.0.7")}}
			g.Interfaces[0].Network, g.Interfaces[0].Bridge = "", "br-lan"
			g.Interfaces[1].MTU, g.IPv6 = 0, netip.Addr{}
		}, []Interface{
			{ // without a gateway: the guest has its default route by the other
				MAC: mac2, Network: "lan", IPv4: netip.MustParsePrefix("10.50.0.7/24"),
				DNS: testSite.Networks[1].DNS, Search: []string{"lan.example.net"},
			}, {
				MAC: mac1, Network: "mds", Primary: true, IPv4: netip.MustParsePrefix("10.122.0.5/16"), Gateway4: testSite.Networks[0].Gateway4,
				DNS: testSite.Networks[0].DNS, Search: []string{"example.net"},
			},
		}},
		{"the default route is where the address is", func(g *instance.Instance) {
			g.Attach([]instance.Attachment{
				{Network: "mds", MAC: mac1, IPv6: netip.MustParseAddr("fd00:122::5")},
				{Network: "lan", MAC: mac2, IPv4: netip.MustParseAddr("10.50.0.7"), IPv6: netip.MustParseAddr("fd00:50::7")},
			})
			g.Interfaces[0].Network, g.Interfaces[1].MTU = "lan", 0
		}, []Interface{
			{
				MAC: mac2, Network: "lan", IPv4: netip.MustParsePrefix("10.50.0.7/24"), Gateway4: testSite.Networks[1].Gateway4,
				IPv6: netip.MustParsePrefix("fd00:50::7/64"), NoRoute6: true,
				DNS: testSite.Networks[1].DNS, Search: []string{"lan.example.net"},
			}, {
				MAC: mac1, Network: "mds", Primary: true, IPv6: netip.MustParsePrefix("fd00:122::5/64"), Gateway6: testSite.Networks[0].Gateway6,
				DNS: testSite.Networks[0].DNS, Search: []string{"example.net"},
			},
		}},
		{"two interfaces on one network", func(g *instance.Instance) {
			g.Further = []instance.Attachment{{Network: "mds", MAC: mac2, IPv4: netip.MustParseAddr("10.122.0.6"), IPv6: netip.MustParseAddr("fd00:122::6")}}
			g.Interfaces[0].Network, g.Interfaces[1].MTU = "mds", 0
		}, []Interface{
			{
				MAC: mac2, Network: "mds", IPv4: netip.MustParsePrefix("10.122.0.6/16"),
				IPv6: netip.MustParsePrefix("fd00:122::6/64"), NoRoute6: true,
				DNS: testSite.Networks[0].DNS, Search: []string{"example.net"},
			}, {
				MAC: mac1, Network: "mds", Primary: true, IPv4: netip.MustParsePrefix("10.122.0.5/16"), Gateway4: testSite.Networks[0].Gateway4,
				IPv6: netip.MustParsePrefix("fd00:122::5/64"), Gateway6: testSite.Networks[0].Gateway6,
				DNS: testSite.Networks[0].DNS, Search: []string{"example.net"},
			},
		}},
		{"the network has an MTU", func(g *instance.Instance) {
			g.Network, g.IPv4, g.IPv6 = "jumbo", netip.Addr{}, netip.Addr{}
			g.Further = []instance.Attachment{{Network: "jumbo", MAC: mac2}}
			g.Interfaces[0].Network, g.Interfaces[1].Network, g.Interfaces[1].MTU = "jumbo", "jumbo", 1400
		}, []Interface{{MAC: mac2, Network: "jumbo", MTU: 9000}, {MAC: mac1, Network: "jumbo", MTU: 1400, Primary: true}}},
		{"an address of a family that the network no longer has", func(g *instance.Instance) {
			g.Network, g.Interfaces = "routed", []instance.Interface{{MAC: mac1, Network: "routed"}}
		}, []Interface{{MAC: mac1, Network: "routed", Primary: true}}},
		{"a network that is served no longer", func(g *instance.Instance) {
			g.Network, g.Interfaces = "former", []instance.Interface{{MAC: mac1, Network: "former", MTU: 1400}}
		}, []Interface{{MAC: mac1, Network: "former", MTU: 1400, Primary: true}}},
		{"an interface elsewhere", func(g *instance.Instance) {
			g.Interfaces = []instance.Interface{{MAC: mac2, Network: "default", MTU: 1300}}
		}, []Interface{{MAC: mac2, Network: "default", MTU: 1300}}},
		{"nothing known", func(g *instance.Instance) { *g = instance.Instance{} }, []Interface{}},
	}
	for _, tt := range tests {
		guest := testGuest()
		tt.change(guest)
		if diff := cmp.Diff(tt.want, New(guest, testSite).Interfaces, compareAddresses); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestResourceID(t *testing.T) {
	id := ResourceID("vpc", "mds")
	if !regexp.MustCompile(`^vpc-[0-9a-f]{17}$`).MatchString(id) || id != ResourceID("vpc", "mds") {
		t.Errorf("%q is not the id of a VPC, or not stable", id)
	}
	if id[4:] == ResourceID("subnet", "mds")[7:] {
		t.Error("two kinds of one name share their digits")
	}
}
