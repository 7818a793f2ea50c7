package daemon

import (
	"slices"
	"testing"

	"mdserver/internal/networks"
)

// No guest may come by another network than that of its address.
func TestPolicyOfTwoNetworks(t *testing.T) {
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
	policy := admissionPolicy(cfg, networks.Configured(cfg))
	if !slices.Equal(policy.Interfaces, []string{"br-mds", "br-lan"}) || policy.Bridges["lan"] != "br-lan" || policy.Bridges["mds"] != "br-mds" {
		t.Errorf("policy %+v", policy)
	}
	routed := load(t, "[mdserver]\naccept_interfaces = eth1\n")
	if policy := admissionPolicy(routed, networks.Configured(routed)); !policy.Routed || !slices.Equal(policy.Interfaces, []string{"eth1"}) {
		t.Errorf("behind a router %+v", policy)
	}
}
