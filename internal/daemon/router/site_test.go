package router

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/metadata"
	"mdserver/internal/networks"
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

// Every datasource tells guests the same network as DHCP does.
func TestSiteMetadata(t *testing.T) {
	cfg := load(t, `[public-keys]
ops = ssh-ed25519 AAAA ops
alice = ssh-ed25519 BBBB alice
[dnsmasq]
net_address6 = fd00:122::
use_dns = yes
domain = example.net
[service]
hostname = kvm1.example.net
location = rack 4
`)
	site := siteMetadata(cfg, networks.Configured(cfg))
	network := site.Networks[0]
	gateway4, gateway6 := netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fd00:122::1")
	if network.Gateway4 != gateway4 || network.Gateway6 != gateway6 || !slices.Equal(network.DNS, []netip.Addr{gateway4, gateway6}) {
		t.Errorf("gateways %v and %v, DNS %v", network.Gateway4, network.Gateway6, network.DNS)
	}
	if network.Name != "mds" || network.IPv4 != netip.MustParsePrefix("10.122.0.0/16") || network.IPv6 != netip.MustParsePrefix("fd00:122::/64") {
		t.Errorf("network %+v", network)
	}
	if network.Domain != "example.net" || site.Host != "kvm1.example.net" || site.Location != "rack 4" || site.MetadataAddress != netip.MustParseAddr("169.254.169.254") {
		t.Errorf("site %+v", site)
	}
	if site.Region != "rack-4" || site.AvailabilityZone != "rack-4a" || site.AccountID != "000000000000" {
		t.Errorf("region %q, zone %q, account %q", site.Region, site.AvailabilityZone, site.AccountID)
	}
	if want := []metadata.PublicKey{{Name: "ops", Key: "ssh-ed25519 AAAA ops"}, {Name: "alice", Key: "ssh-ed25519 BBBB alice"}}; !slices.Equal(site.PublicKeys, want) {
		t.Errorf("keys %v, want %v", site.PublicKeys, want)
	}
	if dns := networks.Configured(load(t, "[dnsmasq]\nuse_dns = no\n"))[0].DNS; dns != nil {
		t.Errorf("without use_dns guests are told of %v", dns)
	}
}
