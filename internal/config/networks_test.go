package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/instance"
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
	if got := c.ListenAddresses6(); !slices.Contains(got, instance.MetadataLinkLocal.WithZone("br-lan")) {
		t.Errorf("listens on %v", got)
	}
}

// TestInheritedKeys checks that each inherited key means the same in [dnsmasq] and in a
// section, and that the section's own value takes precedence.
func TestInheritedKeys(t *testing.T) {
	values := map[string][2]string{ // two for each key, at least one not the default
		"scope": {"host", "shared"}, "run": {"off", "external"}, "use_dns": {"yes", "no"}, "lease_len": {"3600", "7200"},
		"prefix": {"p-", "q-"}, "domain": {"a.example.net", "b.example.net"}, "entry_order": {"prefix", "domain"},
		"port_security": {"no", "yes"}, "ntp_server": {"10.1.0.1", "10.1.0.2"}, "domain_search": {"a.example.net", "b.example.net"},
		"mtu": {"1400", "1450"}, "dhcp_boot": {"a.efi", "b.efi"}, "conf_file": {"/a", "/b"},
	}
	network := func(inDnsmasq, inSection string) Network {
		t.Helper()
		c, _ := mustLoad(t, withEtcd+"[dnsmasq]\n"+inDnsmasq+lan+inSection)
		return c.Networks[0]
	}
	for _, k := range keysOf(networkSection) {
		if k.derived != inherited {
			continue
		}
		value, known := values[k.name]
		if !known {
			t.Errorf("%s has no values in this test", k.name)
			continue
		}
		first, second := k.name+" = "+value[0]+"\n", k.name+" = "+value[1]+"\n"
		for _, text := range []string{first, second} {
			if got, want := network(text, ""), network("", text); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v is inherited, want %+v", k.name, got, want)
			}
		}
		if got, want := network(first, second), network("", second); !reflect.DeepEqual(got, want) || reflect.DeepEqual(got, network("", first)) {
			t.Errorf("%s in both: %+v, want %+v", k.name, got, want)
		}
	}
}

// TestKeysOfLibvirtsNetworks checks that a section refuses the keys that libvirt's
// definition of the network sets, and no others.
func TestKeysOfLibvirtsNetworks(t *testing.T) {
	allowed := []string{"backend", "reserved", "reserved6", "scope", "prefix", "entry_order", "own_address", "port_security"}
	values := map[string]string{
		"backend": "libvirt", "reserved": "10.50.0.9", "reserved6": "fd00::9", "scope": "shared", "prefix": "p-", "entry_order": "base",
		"own_address": "no", "port_security": "no",
		"interface": "br0", "net_address": "10.50.0.0", "net_prefix": "24", "gateway": "10.50.0.1", "net_address6": "fd00::", "net_prefix6": "64", "gateway6": "fd00::1",
		"listen_address": "10.50.0.1", "use_dns": "yes", "lease_len": "3600", "run": "off", "domain": "example.net", "ntp_server": "10.50.0.1",
		"domain_search": "example.net", "mtu": "1400", "dhcp_boot": "a.efi", "conf_file": "/a",
	}
	for _, k := range keysOf(networkSection) {
		text := "[network default]\nbackend = libvirt\n"
		if k.name != "backend" {
			text += k.name + " = " + values[k.name] + "\n"
		}
		_, _, err := Load(write(t, text))
		if refused := err != nil && strings.Contains(err.Error(), "libvirt's definition of the network says that"); refused == slices.Contains(allowed, k.name) {
			t.Errorf("%s: %v", k.name, err)
		}
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
		{"an IPv6 network within another", lan + "net_address6 = fd00::\n[network b]\ninterface = br-b\nnet_address = 10.9.0.0\nnet_address6 = fd00::\nnet_prefix6 = 96\n",
			"the network b, fd00::/96, overlaps the network lan, fd00::/64"},
		{"the gateway is the network itself", lan + "gateway = 10.50.0.0\n", "the gateway 10.50.0.0 is not a host address in the network 10.50.0.0/24, accepted: an address from 10.50.0.1 to 10.50.0.254"},
		{"the gateway is the broadcast address", lan + "gateway = 10.50.0.255\n", "the gateway 10.50.0.255 is not a host address in the network 10.50.0.0/24"},
		{"the IPv6 gateway outside", lan + "net_address6 = fd00::\ngateway6 = fd01::1\n", ":5: network lan.gateway6 = \"fd01::1\": the gateway fd01::1 is not a host address in the network fd00::/64"},
		{"the IPv6 gateway is the network itself", lan + "net_address6 = fd00::\ngateway6 = fd00::\n", "the gateway fd00:: is not a host address in the network fd00::/64"},
		{"a network of libvirt while libvirt is off", "[libvirt]\nuri = off\n[network default]\nbackend = libvirt\n", "network default.backend = \"libvirt\": libvirt is not used, because libvirt.uri is off"},
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
