package networks

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
)

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// No guest may get the address of the gateway, of the server, of this host, or
// a reserved one.
func TestExcludedAddresses(t *testing.T) {
	cfg := load(t, `[mdserver]
listen_address = 10.122.0.2
listen_address6 = fd00:122::7
[dnsmasq]
listen_address = 10.122.0.3
reserved = 10.122.9.0/24, 10.122.1.5-10.122.1.7
reserved6 = fd00:122::10-fd00:122::1f
net_address6 = fd00:122::
`)
	ranges := Configured(cfg)[0].Excluded
	for addr, want := range map[string]bool{
		"10.122.0.1": true, "10.122.0.2": true, "10.122.0.3": true, "127.0.0.1": true, "fd00:122::1": true,
		"10.122.9.77": true, "10.122.1.6": true, "10.122.1.8": false, "10.122.0.4": false,
		"fd00:122::2": false, "fd00:122::7": true, "fd00:122::11": true,
	} {
		got := false
		for _, r := range ranges {
			got = got || r.Contains(netip.MustParseAddr(addr))
		}
		if got != want {
			t.Errorf("%s excluded: %v, want %v", addr, got, want)
		}
	}
}

// Each network has its own addresses, gateway, DNS server and domain.
func TestSettingsOfTwoNetworks(t *testing.T) {
	cfg := load(t, `[dnsmasq]
net_name = mds
use_dns = yes
domain = example.net
[network lan]
interface = br-lan
net_address = 10.50.0.0
domain = lan.example.net
reserved = 10.50.0.9
`)
	networks := Configured(cfg)
	if len(networks) != 2 {
		t.Fatalf("networks %+v", networks)
	}
	lan := networks[1]
	gateway := netip.MustParseAddr("10.50.0.1")
	if lan.Name != "lan" || lan.Bridge != "br-lan" || lan.Gateway4 != gateway || lan.Domain != "lan.example.net" || !slices.Equal(lan.DNS, []netip.Addr{gateway}) {
		t.Errorf("network %+v", lan)
	}
	first, second := dnsmasqSettings(cfg, cfg.Networks[0], ""), dnsmasqSettings(cfg, cfg.Networks[1], "")
	if first.BaseDir == second.BaseDir || second.NetName != "lan" || second.Interface != "br-lan" || second.Network != lan.IPv4 || second.Domain != lan.Domain {
		t.Errorf("dnsmasq of the second network %+v", second)
	}
}

// dnsmasq keeps outside names from leading to any network of ours, whichever
// network it serves.
func TestSettingsAgainstRebinding(t *testing.T) {
	cfg := load(t, `[mdserver]
listen_address6 = fd00::7
[dnsmasq]
net_name = mds
domain = example.net
net_address6 = fd00:122::
rebind_domains = corp.example, lan
[network lan]
interface = br-lan
net_address = 10.50.0.0
domain = lan.example.net
`)
	for _, n := range cfg.Networks {
		s := dnsmasqSettings(cfg, n, "")
		if s.Rebind != dnsmasq.RebindOwn {
			t.Errorf("%s: stop_rebind is %q", n.Name, s.Rebind)
		}
		for _, own := range []string{"10.122.0.0/16", "fd00:122::/64", "10.50.0.0/24", "169.254.169.254/32", "fd00::7/128"} {
			if !slices.Contains(s.OwnPrefixes, netip.MustParsePrefix(own)) {
				t.Errorf("%s: %s is not among %v", n.Name, own, s.OwnPrefixes)
			}
		}
		if want := []string{"corp.example", "lan", "example.net", "lan.example.net"}; !slices.Equal(s.RebindDomains, want) {
			t.Errorf("%s: domains %v, want %v", n.Name, s.RebindDomains, want)
		}
	}
}

// What [dnsmasq] says holds for each network that does not say otherwise.
func TestOptionsOfNetworks(t *testing.T) {
	cfg := load(t, `[dnsmasq]
net_name = mds
domain = example.net
ntp_server = 10.122.0.1, fd00::1
mtu = 1450
serve_hosts = yes
domain_needed = no
[network lan]
interface = br-lan
net_address = 10.50.0.0
mtu = 1400
domain_search = lan.example.net, example.net
dhcp_boot = ipxe.efi, tftp, 10.50.0.1
`)
	mds, lan := dnsmasqSettings(cfg, cfg.Networks[0], ""), dnsmasqSettings(cfg, cfg.Networks[1], "")
	if mds.MTU != 1450 || lan.MTU != 1400 || len(lan.NTPServers) != 2 || lan.Boot != "ipxe.efi,tftp,10.50.0.1" || mds.Boot != "" {
		t.Errorf("got %+v and %+v", mds, lan)
	}
	if mds.Further || !lan.Further {
		t.Errorf("further: %v and %v, want the second alone", mds.Further, lan.Further)
	}
	if !mds.ServeHosts || !lan.ServeHosts || !mds.ForwardPlain || !lan.ForwardPlain {
		t.Error("serve_hosts and domain_needed do not hold for all networks")
	}
	networks := Configured(cfg)
	if got := networks[1].SearchDomains(); !slices.Equal(got, []string{"lan.example.net", "example.net"}) || networks[1].MTU != 1400 {
		t.Errorf("guests are told to search %v, MTU %d", got, networks[1].MTU)
	}
	if got := networks[0].SearchDomains(); !slices.Equal(got, []string{"example.net"}) {
		t.Errorf("guests are told to search %v", got)
	}
}

// A network that each host has for itself is one in all that is said of it.
func TestScope(t *testing.T) {
	s, _, cfg := newLab(t, "[dnsmasq]\nnet_name = mds\nrun = off\n[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\nscope = host\nrun = off\n")
	for i, want := range []bool{false, true} {
		if got := Configured(cfg)[i].PerHost; got != want {
			t.Errorf("network %d is configured for one host: %v", i, got)
		}
		if got := s.Status()[i].Network.PerHost; got != want {
			t.Errorf("network %d is served for one host: %v", i, got)
		}
	}
}

// Guests are told of DNS servers that this host has on their network.
func TestGuestDNS(t *testing.T) {
	four, six := netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fd00:122::1")
	for name, tt := range map[string]struct {
		network config.Network
		want    []netip.Addr
	}{
		"none":           {config.Network{Gateway: four, Gateway6: six}, nil},
		"IPv4":           {config.Network{UseDNS: true, Gateway: four}, []netip.Addr{four}},
		"both":           {config.Network{UseDNS: true, Gateway: four, Gateway6: six}, []netip.Addr{four, six}},
		"not yet known":  {config.Network{UseDNS: true}, nil},
		"IPv6 is behind": {config.Network{UseDNS: true, Gateway6: six}, nil},
	} {
		if got := guestDNS(tt.network); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Names of our networks may have private addresses, each domain once.
func TestRebindDomains(t *testing.T) {
	cfg := &config.Config{Networks: []config.Network{{Domain: "lan"}, {}, {Domain: "example.net"}, {Domain: "lan"}}}
	cfg.Dnsmasq.RebindDomains = []string{"corp.example", "example.net"}
	if got, want := rebindDomains(cfg), []string{"corp.example", "example.net", "lan"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Each field of the settings is what the configuration says.
func TestSettingsOfBackends(t *testing.T) {
	cfg := load(t, `[libvirt]
uri = qemu+unix:///session?socket=/run/user/1000/libvirt/libvirt-sock
[dnsmasq]
net_name = mds
binary = /opt/dnsmasq
user = somebody
run_dir = /run/mds
base_dir = /var/lib/mds
lease_len = 3600
use_dns = yes
prefix = vm-
entry_order = prefix, base
conf_file = /etc/further.conf
port_security = no
listen_address = 10.122.0.3
net_address6 = fd00:122::
[network lan]
backend = libvirt
prefix = lan-
entry_order = base, prefix
port_security = yes
`)
	s := dnsmasqSettings(cfg, cfg.Networks[0], "host")
	if s.Mode != dnsmasq.Child || s.Binary != "/opt/dnsmasq" || s.User != "somebody" || s.RunDir != "/run/mds" || s.BaseDir != "/var/lib/mds" ||
		s.Launcher != "/run/mdserver-launcher/socket" || s.HostID != "host" || s.LeaseTime != time.Hour || !s.UseDNS || s.Prefix != "vm-" ||
		!slices.Equal(s.EntryOrder, []string{"prefix", "base"}) || s.ListenAddress.String() != "10.122.0.3" || s.Gateway.String() != "10.122.0.1" ||
		s.MetadataAddress.String() != "169.254.169.254" || s.Network6.String() != "fd00:122::/64" || s.Gateway6.String() != "fd00:122::1" {
		t.Errorf("dnsmasq has %+v", s)
	}
	if s.ConfFile != "/etc/further.conf" {
		t.Errorf("the further lines are in %q", s.ConfFile)
	}
	if n := Configured(cfg); n[0].PortSecurity || !n[1].PortSecurity || n[0].NamePrefix != "vm-" || n[1].NamePrefix != "lan-" {
		t.Errorf("the networks are %+v", n)
	}
	l := libvirtSettings(cfg, cfg.Networks[1], "host")
	if l.Name != "lan" || l.HostID != "host" || !l.Endpoint.Session || l.Endpoint.Socket != "/run/user/1000/libvirt/libvirt-sock" || l.Prefix != "lan-" ||
		!slices.Equal(l.EntryOrder, []string{"base", "prefix"}) {
		t.Errorf("libvirt has %+v", l)
	}
}
