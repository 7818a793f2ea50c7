package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestKeepFixedTakesOverOnlyWhatCanChange(t *testing.T) {
	running := loadText(t, "[mdserver]\nport = 8080\nuserdata_dir = /old\n[dnsmasq]\nuse_dns = no\n")
	wanted := loadText(t, "[mdserver]\nport = 9090\nuserdata_dir = /new\n[dnsmasq]\nuse_dns = yes\nnet_address = 10.9.0.0\ngateway = 10.9.0.1\n")
	got := wanted.KeepFixed(running)
	if got.Server.Port != 8080 || got.Dnsmasq.Network != running.Dnsmasq.Network || got.Dnsmasq.Gateway != running.Dnsmasq.Gateway {
		t.Errorf("port %d, network %v, gateway %v changed while running", got.Server.Port, got.Dnsmasq.Network, got.Dnsmasq.Gateway)
	}
	if got.Server.UserdataDir != "/new" || !got.Dnsmasq.UseDNS {
		t.Errorf("userdata_dir %q, use_dns %v did not change", got.Server.UserdataDir, got.Dnsmasq.UseDNS)
	}
	if dump := got.Dump(); !slices.Contains(dump, "mdserver.port=8080") || !slices.Contains(dump, "mdserver.userdata_dir=/new") {
		t.Errorf("the dump does not show what is in force: %q", dump)
	}
	if wanted.Server.Port != 9090 {
		t.Error("KeepFixed changed its receiver")
	}
	if live, restart := Diff(running, got); len(restart) != 0 || !slices.Contains(live, "dnsmasq.use_dns") {
		t.Errorf("Diff to the kept one: live %v, restart %v", live, restart)
	}
}
