package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const lan = "[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\n"

func networkNames(c *Config) []string {
	var list []string
	for _, n := range c.Networks {
		list = append(list, n.Name)
	}
	return list
}

// The network of [dnsmasq] is there unless only sections describe networks.
func TestWhichNetworksThereAre(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", []string{"mds"}},
		{"the short form", "[dnsmasq]\nnet_name = guests\n", []string{"guests"}},
		{"a section alone", lan, []string{"lan"}},
		{"a section and what all networks share", "[dnsmasq]\nuse_dns = yes\ndomain = example.net\n" + lan, []string{"lan"}},
		{"both", "[dnsmasq]\ngateway = 10.122.0.9\n" + lan, []string{"mds", "lan"}},
		{"several sections", "[network b]\nbackend = libvirt\n" + lan, []string{"b", "lan"}},
		{"a section without keys", "[network default]\n[dnsmasq]\n" + lan, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == nil {
				if _, _, err := Load(write(t, tt.text)); err == nil {
					t.Error("accepted")
				}
				return
			}
			c, warnings := mustLoad(t, tt.text)
			if got := networkNames(c); !slices.Equal(got, tt.want) || len(warnings) > 0 {
				t.Errorf("networks %v, warnings %v, want %v", got, warnings, tt.want)
			}
		})
	}
}

func TestNetworkSection(t *testing.T) {
	c, _ := mustLoad(t, "[dnsmasq]\nbase_dir = /dns\nuse_dns = yes\ndomain = example.net\nentry_order = base,domain\n"+
		lan+"net_address6 = fd00:50::\nreserved = 10.50.0.9\ndomain = lan.example.net\n")
	n := c.Networks[0]
	if n.Network != netip.MustParsePrefix("10.50.0.0/24") || n.Gateway != ip("10.50.0.1") ||
		n.Network6 != netip.MustParsePrefix("fd00:50::/64") || n.Gateway6 != ip("fd00:50::1") {
		t.Errorf("addresses %+v", n)
	}
	if n.Domain != "lan.example.net" || !n.UseDNS || !slices.Equal(n.EntryOrder, []string{"base", "domain"}) ||
		n.BaseDir != "/dns/networks/lan" || n.Run != "child" || !n.OwnAddress || len(n.Reserved) != 1 {
		t.Errorf("the rest %+v", n)
	}
	if got := c.GuestInterfaces(); !slices.Equal(got, []string{"br-lan"}) {
		t.Errorf("guests come by %v", got)
	}
	if got := c.ListenAddresses6(); !slices.Contains(got, metadataLinkLocal.WithZone("br-lan")) {
		t.Errorf("listens on %v", got)
	}
}

func TestNetworkProblems(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no bridge", "[network lan]\nnet_address = 10.50.0.0\n", ":1: network lan.interface = \"\": the bridge of the network is not set"},
		{"no address", "[network lan]\ninterface = br-lan\n", ":1: network lan.net_address = \"\": the address of the network is not set"},
		{"wrong address", "[network lan]\ninterface = br-lan\nnet_address = ten\n", ":3: network lan.net_address = \"ten\": not an IPv4 address, accepted: an IPv4 address"},
		{"gateway outside", lan + "gateway = 10.51.0.1\n", ":4: network lan.gateway = \"10.51.0.1\": the gateway 10.51.0.1 is not a host address in the network 10.50.0.0/24"},
		{"overlap", lan + "[network b]\ninterface = br-b\nnet_address = 10.0.0.0\nnet_prefix = 8\n",
			":6: network b.net_address = \"10.0.0.0\": the network b, 10.0.0.0/8, overlaps the network lan, 10.50.0.0/24"},
		{"overlap with the short form", "[dnsmasq]\nnet_name = mds\n[network b]\ninterface = br-b\nnet_address = 10.122.5.0\n",
			":5: network b.net_address = \"10.122.5.0\": the network b, 10.122.5.0/24, overlaps the network mds, 10.122.0.0/16"},
		{"overlap of IPv6", lan + "net_address6 = fd00::\n[network b]\ninterface = br-b\nnet_address = 10.9.0.0\nnet_address6 = fd00::\n",
			"the network b, fd00::/64, overlaps the network lan, fd00::/64"},
		{"one bridge", lan + "[network b]\ninterface = br-lan\nnet_address = 10.9.0.0\n", "the networks lan and b have the same bridge br-lan"},
		{"the short form's name", "[dnsmasq]\nnet_name = lan\n" + lan, "the network lan is described twice"},
		{"a bad name", "[network a/b]\n", ":1: [network a/b]: the network's name: has a character that a name must not have"},
		{"libvirt's own", "[network default]\nbackend = libvirt\ninterface = virbr0\n", ":3: network default.interface = \"virbr0\": libvirt's definition of the network says that"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Load(write(t, tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	_, warnings := mustLoad(t, lan+"gatway = 10.50.0.1\n")
	if len(warnings) != 1 || !strings.Contains(warnings[0].String(), ":4: network lan.gatway: unknown key") {
		t.Errorf("warnings %v", warnings)
	}
}

// Sections come and go while the server runs; the short form does not.
func TestReloadOfNetworks(t *testing.T) {
	short := "[dnsmasq]\nnet_name = mds\n"
	running := loadText(t, short)
	wanted := loadText(t, "[dnsmasq]\nnet_address = 10.99.0.0\ngateway = 10.99.0.1\n"+lan)
	kept := wanted.KeepFixed(running)
	if got := networkNames(kept); !slices.Equal(got, []string{"mds", "lan"}) || kept.Networks[0].Network != running.Networks[0].Network {
		t.Errorf("networks %+v", kept.Networks)
	}
	if live, _ := Diff(running, kept); !slices.Contains(live, "network lan") {
		t.Errorf("changed: %v", live)
	}
	if got := networkNames(loadText(t, short).KeepFixed(kept)); !slices.Equal(got, []string{"mds"}) {
		t.Errorf("without the section: %v", got)
	}
	clashing := loadText(t, "[dnsmasq]\nnet_address = 10.99.0.0\ngateway = 10.99.0.1\n[network b]\ninterface = br-b\nnet_address = 10.122.7.0\n")
	if err := clashing.KeepFixed(running).Clash(); err == nil {
		t.Error("a section may overlap the network that is kept")
	}
}
