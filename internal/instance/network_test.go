package instance

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAddrRangeContains(t *testing.T) {
	r := AddrRange{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.9")}
	for text, want := range map[string]bool{
		"10.0.0.4": false, "10.0.0.5": true, "10.0.0.7": true, "10.0.0.9": true, "10.0.0.10": false,
		"::ffff:10.0.0.7": false, "fd00::7": false,
	} {
		if got := r.Contains(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s in %v: %v, want %v", text, r, got, want)
		}
	}
	if r.Contains(netip.Addr{}) {
		t.Error("the zero address is in a range")
	}
}

func TestAddrRangeString(t *testing.T) {
	first, last := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.9")
	if got := (AddrRange{first, last}).String(); got != "10.0.0.5-10.0.0.9" {
		t.Error(got)
	}
	if got := (AddrRange{first, first}).String(); got != "10.0.0.5" {
		t.Error(got)
	}
}

func TestNetworkPrefix(t *testing.T) {
	n := Network{IPv4: netip.MustParsePrefix("10.0.0.0/8"), IPv6: netip.MustParsePrefix("fd00::/64")}
	if got := n.Prefix(netip.MustParseAddr("192.0.2.1")); got != n.IPv4 {
		t.Errorf("IPv4: %v", got)
	}
	if got := n.Prefix(netip.MustParseAddr("2001:db8::1")); got != n.IPv6 {
		t.Errorf("IPv6: %v", got)
	}
}

func TestNetworkHas(t *testing.T) {
	d := Domain{Interfaces: []Interface{
		{MAC: MAC{2, 1}}, {MAC: MAC{2, 2}, Network: "mds"}, {MAC: MAC{2, 3}, Network: "mds"}, {MAC: MAC{2, 4}, Bridge: "br-lan"},
	}}
	for _, tt := range []struct {
		network Network
		want    MAC // zero: none
	}{
		{Network{Name: "mds"}, MAC{2, 2}}, // the first one there
		{Network{Name: "other"}, MAC{}},   // no bridge is not the same bridge
		{Network{Name: "lan", Bridge: "br-lan"}, MAC{2, 4}},
		{Network{Name: "br-lan"}, MAC{}},
	} {
		var first MAC
		if i := slices.IndexFunc(d.Interfaces, tt.network.Has); i >= 0 {
			first = d.Interfaces[i].MAC
		}
		if first != tt.want {
			t.Errorf("the first interface on %+v is %v, want %v", tt.network, first, tt.want)
		}
	}
}

func TestAttachments(t *testing.T) {
	addr := netip.MustParseAddr
	mds := Attachment{Network: "mds", MAC: MAC{2, 1}, IPv4: addr("10.122.0.5"), IPv6: addr("fd00::5")}
	lan := Attachment{Network: "lan", MAC: MAC{2, 2}, IPv4: addr("10.50.0.5")}
	var guest Instance
	guest.Attach([]Attachment{mds, lan})
	if guest.Network != "mds" || guest.MAC != mds.MAC || guest.IPv4 != mds.IPv4 || guest.IPv6 != mds.IPv6 {
		t.Errorf("the first place is not the primary one: %+v", guest)
	}
	if got := guest.Attachments(); !slices.Equal(got, []Attachment{mds, lan}) {
		t.Errorf("attachments %+v", got)
	}
	if got := guest.Addrs(); !slices.Equal(got, []netip.Addr{mds.IPv4, mds.IPv6, lan.IPv4}) {
		t.Errorf("addresses %v", got)
	}
	for name, got := range map[string]func() (Attachment, bool){
		"On": func() (Attachment, bool) { return guest.On("lan") },
		"At": func() (Attachment, bool) { return guest.At(lan.IPv4) },
	} {
		if place, ok := got(); !ok || place != lan {
			t.Errorf("%s finds %+v, %v", name, place, ok)
		}
	}
	guest.Further = append(guest.Further, Attachment{Network: "dmz", MAC: mds.MAC}, Attachment{Network: "other"})
	for mac, want := range map[MAC][]Attachment{mds.MAC: {mds, guest.Further[1]}, lan.MAC: {lan}, {2, 9}: nil, {}: nil} {
		if got := guest.ByMAC(mac); !slices.Equal(got, want) {
			t.Errorf("ByMAC(%v) = %+v, want %+v", mac, got, want)
		}
	}
	if _, ok := guest.At(netip.Addr{}); ok {
		t.Error("no address is somewhere")
	}
}

func TestDeriveID(t *testing.T) {
	id := DeriveID(testUUID)
	if !regexp.MustCompile(`^i-[0-9a-f]{17}$`).MatchString(id) {
		t.Errorf("%q has not the form of an EC2 instance id", id)
	}
	if DeriveID(testUUID) != id {
		t.Error("the instance-id is not stable")
	}
}

// Two guests are rivals if, and only if, a name in DNS would be both guests'.
func TestRivals(t *testing.T) {
	hostnames := []string{"web", "lab-web", "lab-lab-web", "web.example.net", "lab-web.example.net", "WEB", "www", "lab-", "example.net", "web.example.org",
		"a.b", "a.b.example.net", "lab-a.b.example.net", "web.EXAMPLE.net", "a"}
	for _, n := range []Network{{}, {NamePrefix: "lab-"}, {Domain: "example.net"}, {NamePrefix: "Lab-", Domain: "Example.net"}} {
		for _, one := range hostnames {
			for _, other := range hostnames {
				shared := slices.ContainsFunc(namesInDNS(n, one), func(name string) bool { return slices.Contains(namesInDNS(n, other), name) })
				if got := slices.Contains(n.ConflictingNames(one), strings.ToLower(other)); got != shared {
					t.Errorf("prefix %q, domain %q: %q and %q share a name: %v, rivals: %v", n.NamePrefix, n.Domain, one, other, shared, got)
				}
			}
		}
	}
}

// namesInDNS are all names that a guest can have: dnsmasq gives those without a
// dot the network's domain, and serves the DHCP name while there is a lease.
func namesInDNS(n Network, hostname string) []string {
	var names []string
	all := HostNames(hostname, n.NamePrefix, n.Domain, []string{"base", "prefix", "domain"})
	if name := DHCPName(hostname, n.Domain); name != "" {
		all = append(all, name)
	}
	for _, name := range all {
		names = append(names, strings.ToLower(name))
		if n.Domain != "" && !strings.Contains(name, ".") {
			names = append(names, strings.ToLower(name+"."+n.Domain))
		}
	}
	return names
}

func TestHostNames(t *testing.T) {
	for _, tt := range []struct {
		hostname, prefix, domain, order string
		want                            string
	}{
		{"web9", "", "", "base", "web9"},
		{"web9", "", "", "domain,base", "web9"},
		{"web9", "lab-", "example.net", "base,prefix,domain", "web9 lab-web9 lab-web9.example.net"},
		{"web9", "lab-", "example.net", "fqdn", "lab-web9.example.net"},
		{"web9.example.net", "", "example.net", "domain,base", "web9.example.net"},
		{"web9.Example.Net", "", "example.net", "domain,base", "web9.example.net"},
		{"web9.example.net", "lab-", "example.net", "prefix,domain,base", "lab-web9.example.net web9.example.net"},
		{"a.web9.example.net", "lab-", "example.net", "domain", "lab-a.web9.example.net"},
		{"web9.example.net", "", "net", "domain", "web9.example.net"},
		{"web9.example.org", "", "example.net", "domain,base", "web9.example.org.example.net web9.example.org"},
		{"web9xexample.net", "", "example.net", "domain", "web9xexample.net.example.net"},
		{"example.net", "", "example.net", "domain", "example.net.example.net"},
		{"web9.example.net", "", "", "domain,base", "web9.example.net"},
	} {
		got := HostNames(tt.hostname, tt.prefix, tt.domain, strings.Split(tt.order, ","))
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s, prefix %q, domain %q, order %s: %v, want %s", tt.hostname, tt.prefix, tt.domain, tt.order, got, tt.want)
		}
	}
}

func TestDHCPName(t *testing.T) {
	for _, tt := range []struct{ hostname, domain, want string }{
		{"web9", "", "web9"},
		{"web9", "example.net", "web9"},
		{"web9.example.net", "example.net", "web9"},
		{"web9.EXAMPLE.net", "example.net", "web9"},
		{"a.web9.example.net", "example.net", ""},
		{"web9.example.org", "example.net", ""},
		{"web9.example.net", "", ""},
		{"master-0.x.lab", "lab", ""},
	} {
		if got := DHCPName(tt.hostname, tt.domain); got != tt.want {
			t.Errorf("%s, domain %q: %q, want %q", tt.hostname, tt.domain, got, tt.want)
		}
	}
}

func TestTarget(t *testing.T) {
	guest := Instance{Interfaces: []Interface{
		{MAC: MAC{2, 1}, Network: "lan", Target: "vnet4"},
		{MAC: MAC{2, 1}, Network: "mds", Target: "vnet5"}, // the same MAC on another network
		{MAC: MAC{2, 2}, Bridge: "br0", Target: "vnet6"},
	}}
	guest.Attach([]Attachment{{Network: "mds", MAC: MAC{2, 1}}, {Network: "lan", MAC: MAC{2, 1}}, {Network: "bridged", MAC: MAC{2, 2}}})
	for _, tt := range []struct {
		place Attachment
		want  string
	}{
		{Attachment{Network: "mds", MAC: MAC{2, 1}}, "vnet5"},
		{Attachment{Network: "lan", MAC: MAC{2, 1}}, "vnet4"},
		{Attachment{Network: "bridged", MAC: MAC{2, 2}}, "vnet6"},
		{Attachment{Network: "mds", MAC: MAC{2, 3}}, ""},
	} {
		if got := guest.Target(tt.place); got != tt.want {
			t.Errorf("Target(%v) = %q, want %q", tt.place, got, tt.want)
		}
	}
}

func TestDefaultRoutes(t *testing.T) {
	a4, b4 := netip.MustParseAddr("10.1.0.5"), netip.MustParseAddr("10.2.0.5")
	a6, b6 := netip.MustParseAddr("fd01::5"), netip.MustParseAddr("fd02::5")
	type places []Attachment
	for _, tt := range []struct {
		name         string
		places       places
		want4, want6 string // the networks
	}{
		{"one network", places{{Network: "a", IPv4: a4, IPv6: a6}}, "a", "a"},
		{"two networks", places{{Network: "a", IPv4: a4, IPv6: a6}, {Network: "b", IPv4: b4, IPv6: b6}}, "a", "a"},
		{"IPv6 on the second alone", places{{Network: "a", IPv4: a4}, {Network: "b", IPv4: b4, IPv6: b6}}, "a", "b"},
		{"IPv4 on the second alone", places{{Network: "a", IPv6: a6}, {Network: "b", IPv4: b4, IPv6: b6}}, "b", "a"},
		{"no address on the first", places{{Network: "a"}, {Network: "b", IPv4: b4}, {Network: "c", IPv4: a4}}, "b", ""},
		{"no address", places{{Network: "a"}}, "", ""},
	} {
		var guest Instance
		guest.Attach(tt.places)
		var got4, got6 string
		for _, place := range tt.places {
			ipv4, ipv6 := guest.DefaultRoutes(place)
			if ipv4 {
				got4 += place.Network
			}
			if ipv6 {
				got6 += place.Network
			}
		}
		if got4 != tt.want4 || got6 != tt.want6 {
			t.Errorf("%s: IPv4 by %q, IPv6 by %q; want %q and %q", tt.name, got4, got6, tt.want4, tt.want6)
		}
	}
}
