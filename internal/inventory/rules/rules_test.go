package rules

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

var addr = netip.MustParseAddr

// networks are one that all hosts share, and one of which this host has a range.
func networks() []instance.Network {
	return []instance.Network{
		{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/24"), IPv6: netip.MustParsePrefix("fd00::/64")},
		{Name: "lan", IPv4: netip.MustParsePrefix("10.1.0.0/24"), IPv6: netip.MustParsePrefix("fd01::/64"), PerHost: true,
			Excluded: []instance.AddrRange{{First: addr("10.1.0.128"), Last: addr("10.1.0.254")}, {First: addr("fd01::8000"), Last: addr("fd01::ffff")}}},
	}
}

func TestNetworks(t *testing.T) {
	r := New(Options{Networks: networks()})
	if got := r.Primary(); got != "mds" {
		t.Errorf("the primary network is %q", got)
	}
	if got, want := r.Names(), `"mds" or "lan"`; got != want {
		t.Errorf("the names are %s, want %s", got, want)
	}
	for i, name := range []string{"mds", "lan"} {
		network, ok := r.Network(name)
		if n := networks()[i]; !ok || network.Name != name || network.Pool4.Prefix != n.IPv4 || network.Pool6.Prefix != n.IPv6 {
			t.Errorf("%s: %+v", name, network)
		}
		for _, family := range []netip.Prefix{network.IPv4, network.IPv6} {
			if got := network.Of(family.Addr()).Prefix; got != family {
				t.Errorf("%s: an address of %s belongs to %s", name, family, got)
			}
		}
	}
	if network, ok := r.Network("other"); ok || network.Pool4.Configured() {
		t.Errorf("an unknown network is %+v", network)
	}
	if got := New(Options{}).Primary(); got != "" {
		t.Errorf("without networks, the primary one is %q", got)
	}
}

func TestNew(t *testing.T) {
	alive := func(id string) bool { return id == "b" }
	r := New(Options{HostID: "a", HostName: "A", Alive: alive, FallbackHostname: "guest",
		Now: func() time.Time { return time.Now().In(time.FixedZone("", 3600)) }})
	if r.Host.ID != "a" || r.Host.Name != "A" || !r.Host.Alive("b") || r.Host.Alive("c") {
		t.Errorf("the host is %+v", r.Host)
	}
	if r.FallbackHostname != "guest" {
		t.Errorf("the fallback is %q", r.FallbackHostname)
	}
	if got := New(Options{}).FallbackHostname; got != "vm" {
		t.Errorf("without one, the fallback is %q", got)
	}
	if now := r.Time(); now != now.Round(0).UTC() {
		t.Errorf("a store cannot keep the time %#v", now)
	}
}

// A host among several leaves out addresses that are not in its range of a network of
// which each has its own. A host by itself has no such network.
func TestWithinRange(t *testing.T) {
	place := func(network, ipv4, ipv6 string) instance.Attachment {
		return instance.Attachment{Network: network, IPv4: addr(ipv4), IPv6: addr(ipv6)}
	}
	other4, other6 := place("lan", "10.1.0.200", "fd01::2"), place("lan", "10.1.0.2", "fd01::9000")
	without4, without6 := other4, other6
	without4.IPv4, without6.IPv6 = netip.Addr{}, netip.Addr{}
	for name, test := range map[string]struct {
		host        string
		place, want instance.Attachment
	}{
		"its own range":                    {"a", place("lan", "10.1.0.2", "fd01::2"), place("lan", "10.1.0.2", "fd01::2")},
		"IPv4 of another's range":          {"a", other4, without4},
		"IPv6 of another's range":          {"a", other6, without6},
		"without other hosts":              {"", other4, other4},
		"outside a network that is shared": {"a", place("mds", "10.9.0.1", "fd09::1"), place("mds", "10.9.0.1", "fd09::1")},
		"on an unknown network":            {"a", place("other", "10.9.0.1", "fd09::1"), place("other", "10.9.0.1", "fd09::1")},
	} {
		r := New(Options{Networks: networks(), HostID: test.host})
		kept := place("mds", "10.0.0.2", "fd00::2")
		got := r.WithinRange([]instance.Attachment{kept, test.place})
		if want := []instance.Attachment{kept, test.want}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// An address withheld for a guest goes to no other guest.
func TestWithheld(t *testing.T) {
	lost, second, stranger := uuid.UUID{1}, uuid.UUID{2}, uuid.UUID{3}
	all := []storage.Withheld{
		{UUID: lost, Hostname: "Web", Addrs: []netip.Addr{addr("10.0.0.2"), addr("fd00::2")}, File: "one"},
		{UUID: second, Addrs: []netip.Addr{addr("10.0.0.3")}, File: "two"},
		{UUID: lost, Hostname: "old", Addrs: []netip.Addr{addr("10.0.0.4")}, File: "three"},
	}
	r := New(Options{Withheld: all})
	for a, want := range map[string]*storage.Withheld{
		"10.0.0.2": &all[0], "fd00::2": &all[0], "10.0.0.3": &all[1], "10.0.0.4": &all[2], "10.0.0.5": nil,
	} {
		if got := r.WithheldAddr(addr(a), stranger); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is withheld for %v, want %v", a, got, want)
		}
		if want != nil && r.WithheldAddr(addr(a), want.UUID) != nil {
			t.Errorf("%s is withheld for its own guest", a)
		}
	}
	for name, want := range map[string]*storage.Withheld{"web": &all[0], "WEB": &all[0], "old": &all[2], "db": nil, "": nil} {
		if got := r.WithheldHostname(name, stranger); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is withheld for %v, want %v", name, got, want)
		}
		if want != nil && r.WithheldHostname(name, want.UUID) != nil {
			t.Errorf("%q is withheld for its own guest", name)
		}
	}
	for id, want := range map[uuid.UUID][]storage.Withheld{lost: {all[0], all[2]}, second: {all[1]}, stranger: nil} {
		if got := r.WithheldFor(id); !reflect.DeepEqual(got, want) {
			t.Errorf("for %s: %v, want %v", id, got, want)
		}
	}
}
