package instance

import (
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A new instance-id has the form of others, and no two are the same.
func TestNewID(t *testing.T) {
	one, other := NewID(), NewID()
	if !regexp.MustCompile(`^i-[0-9a-f]{17}$`).MatchString(one) || one == other {
		t.Errorf("%q, then %q", one, other)
	}
}

// The instance-id of a guest depends on its UUID alone, in all versions.
func TestDeriveIDStays(t *testing.T) {
	if got := DeriveID(testUUID); got != "i-28bc36d5eedf70855" {
		t.Errorf("the instance-id is %s", got)
	}
}

func TestWithoutSecrets(t *testing.T) {
	guest := Instance{Name: "web1", Password: "secret", Hardware: Hardware{VCPUs: 2}}
	if got := guest.WithoutSecrets(); got.Password != "" || got.Name != "web1" || got.VCPUs != 2 || guest.Password != "secret" {
		t.Errorf("%+v of %+v", got, guest)
	}
}

// A change that does one thing only is not empty.
func TestChangeEmpty(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.5")
	for name, tt := range map[string]struct {
		change Change
		want   bool
	}{
		"nothing":           {Change{}, true},
		"a condition alone": {Change{Free: []string{"web1"}}, true},
		"a guest":           {Change{Put: []Instance{{}}}, false},
		"a released guest":  {Change{Delete: []uuid.UUID{testUUID}}, false},
		"a resting address": {Change{Rest: []Resting{{Addr: addr}}}, false},
		"an address awoken": {Change{Wake: []netip.Addr{addr}}, false},
		"a spare address":   {Change{Hold: []Spare{{Addr: addr}}}, false},
		"a dropped address": {Change{Drop: []netip.Addr{addr}}, false},
	} {
		if got := tt.change.Empty(); got != tt.want {
			t.Errorf("%s: empty is %v, want %v", name, got, tt.want)
		}
	}
}

// A guest that root, the hook or libvirt knows does not make way for others.
func TestUnconfirmed(t *testing.T) {
	for name, tt := range map[string]struct {
		by   []string
		want bool
	}{
		"a user's upload":              {[]string{ByLocal}, true},
		"root's upload":                {[]string{ByUpload}, false},
		"a user's upload and the hook": {[]string{ByLocal, ByHook}, false},
		"libvirt":                      {[]string{ByLibvirt}, false},
		"a record of earlier versions": {nil, false},
	} {
		guest := Instance{Seen: map[string]time.Time{}}
		for _, by := range tt.by {
			guest.Seen[by] = time.Time{}
		}
		if got := guest.Unconfirmed(); got != tt.want {
			t.Errorf("%s: unconfirmed is %v, want %v", name, got, tt.want)
		}
	}
}

func TestDevicesWithoutDriver(t *testing.T) {
	cards := []Interface{{Model: "virtio"}, {Model: "virtio-transitional"}, {Model: "vmxnet3"}, {Model: "netfront"}, {}, {Model: "e1000"}, {Model: "rtl8139"}}
	for name, tt := range map[string]struct {
		disks []Disk
		want  []string
	}{
		"no disk":         {nil, []string{"the network card e1000", "the network card rtl8139"}},
		"a SATA disk":     {[]Disk{{Bus: "virtio", Device: "disk"}, {Bus: "sata", Device: "disk"}}, []string{"the network card e1000", "the network card rtl8139", "a SATA disk"}},
		"a SATA CD-ROM":   {[]Disk{{Bus: "sata", Device: "cdrom"}}, []string{"the network card e1000", "the network card rtl8139"}},
		"disks of virtio": {[]Disk{{Bus: "virtio", Device: "disk"}, {Bus: "scsi", Device: "disk"}}, []string{"the network card e1000", "the network card rtl8139"}},
	} {
		if got := DevicesWithoutDriver(cards, tt.disks); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestSearchDomains(t *testing.T) {
	for _, tt := range []struct {
		network Network
		want    []string
	}{
		{Network{}, nil},
		{Network{Domain: "lab"}, []string{"lab"}},
		{Network{Domain: "lab", Search: []string{"a", "b"}}, []string{"a", "b"}},
		{Network{Search: []string{"a"}}, []string{"a"}},
	} {
		if got := tt.network.SearchDomains(); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.network, got, tt.want)
		}
	}
}

func TestOverlaps(t *testing.T) {
	network := func(four, six string) (n Network) {
		n.IPv4, _ = netip.ParsePrefix(four)
		n.IPv6, _ = netip.ParsePrefix(six)
		return n
	}
	one := network("10.0.0.0/16", "fd00::/64")
	for name, tt := range map[string]struct {
		other Network
		want  bool
	}{
		"apart":          {network("10.1.0.0/16", "fd01::/64"), false},
		"IPv4 alone":     {network("10.0.7.0/24", "fd01::/64"), true},
		"IPv6 alone":     {network("10.1.0.0/16", "fd00::/48"), true},
		"without any":    {Network{}, false},
		"with IPv6 only": {network("", "fd00::/80"), true},
	} {
		if one.Overlaps(tt.other) != tt.want || tt.other.Overlaps(one) != tt.want {
			t.Errorf("%s: %v and %v, want %v", name, one.Overlaps(tt.other), tt.other.Overlaps(one), tt.want)
		}
	}
}

// An address belongs to a network by its own family.
func TestContains(t *testing.T) {
	n := Network{IPv4: netip.MustParsePrefix("10.0.0.0/8")}
	for text, want := range map[string]bool{"10.0.0.1": true, "11.0.0.1": false, "fd00::1": false, "::ffff:10.0.0.1": false} {
		if got := n.Contains(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestFQDN(t *testing.T) {
	for _, tt := range []struct{ hostname, domain, want string }{
		{"web", "", "web"}, {"web", "lab", "web.lab"}, {"web.lab", "lab", "web.lab"}, {"web.LAB", "lab", "web.lab"}, {"web.net", "lab", "web.net.lab"},
	} {
		if got := FQDN(tt.hostname, tt.domain); got != tt.want {
			t.Errorf("%s in %q: %s, want %s", tt.hostname, tt.domain, got, tt.want)
		}
	}
}

// What is asked for one of several interfaces is that one's.
func TestPlacesOnOneNetwork(t *testing.T) {
	first, second := Attachment{Network: "mds", MAC: MAC{2, 1}}, Attachment{Network: "mds", MAC: MAC{2, 2}}
	other := Attachment{Network: "lan", MAC: MAC{2, 3}}
	guest := Instance{Interfaces: []Interface{
		{MAC: MAC{2, 3}, Network: "lan", MTU: 1300}, {MAC: MAC{2, 1}, Network: "mds", MTU: 1400}, {MAC: MAC{2, 2}, Network: "mds", MTU: 1500},
	}}
	guest.Attach([]Attachment{first, other, second})
	if got := guest.AllOn("mds"); !slices.Equal(got, []Attachment{first, second}) {
		t.Errorf("on mds are %+v", got)
	}
	if got := guest.AllOn("none"); len(got) != 0 {
		t.Errorf("on none are %+v", got)
	}
	if got, ok := guest.On("mds"); !ok || got != first {
		t.Errorf("on mds is first %+v, %v", got, ok)
	}
	if got, ok := guest.On("none"); ok {
		t.Errorf("on none is %+v", got)
	}
	for place, want := range map[Attachment]int{first: 1400, second: 1500, other: 1300, {Network: "none", MAC: MAC{2, 1}}: 0} {
		if got := guest.MTU(place); got != want {
			t.Errorf("the MTU of %+v is %d, want %d", place, got, want)
		}
	}
	places := []Attachment{first, second}
	guest.Attach(places)
	places[1] = other
	if guest.Further[0] != second {
		t.Error("the guest shares its places with who made them")
	}
	if guest.Attach(places[:1]); guest.Further != nil {
		t.Errorf("one place leaves further ones: %+v", guest.Further)
	}
}
