package apply

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/networks"
	"mdserver/internal/roottest"
)

// Some of these tests apply networks to the host that they run on.
func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

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
	policy := AdmissionPolicy(cfg, networks.Configured(cfg))
	if !slices.Equal(policy.Interfaces, []string{"br-mds", "br-lan"}) || policy.Bridges["lan"] != "br-lan" || policy.Bridges["mds"] != "br-mds" {
		t.Errorf("policy %+v", policy)
	}
	routed := load(t, "[mdserver]\naccept_interfaces = eth1\n")
	if policy := AdmissionPolicy(routed, networks.Configured(routed)); !policy.Routed || !slices.Equal(policy.Interfaces, []string{"eth1"}) {
		t.Errorf("behind a router %+v", policy)
	}
}
