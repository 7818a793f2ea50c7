package config

import (
	"reflect"
	"slices"
	"testing"
)

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	c, _ := mustLoad(t, text)
	return c
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

// TestKeepFixedAddresses checks that KeepFixed keeps the addresses of the network in
// [dnsmasq], both as the server uses them and as it shows them.
func TestKeepFixedAddresses(t *testing.T) {
	of := func(n string) *Config {
		return loadText(t, "[dnsmasq]\nnet_address = 10."+n+".0.0\nnet_prefix = 2"+n+"\ngateway = 10."+n+".0.9\nnet_address6 = fd00:"+n+"::\nnet_prefix6 = 7"+n+
			"\ngateway6 = fd00:"+n+"::9\ninterface = br"+n+"\nnet_name = net"+n+"\n")
	}
	running, wanted := of("1"), of("2")
	kept := wanted.KeepFixed(running)
	if !reflect.DeepEqual(kept.Networks, running.Networks) || kept.Dnsmasq.Network != running.Dnsmasq.Network || kept.Dnsmasq.Network6 != running.Dnsmasq.Network6 {
		t.Errorf("the networks are %+v, want %+v", kept.Networks, running.Networks)
	}
	for i, s := range kept.Effective() {
		if was := running.Effective()[i]; s.Value != was.Value {
			t.Errorf("%s is %q, want %q", s.Key, s.Value, was.Value)
		}
	}
	if fresh := of("2"); !reflect.DeepEqual(wanted.Networks, fresh.Networks) {
		t.Error("KeepFixed changed its receiver")
	}
}

// A key that only one of the two sets is shown as it is in force.
func TestKeepFixedOfKeysThatCameOrWent(t *testing.T) {
	running := loadText(t, "[mdserver]\nsocket = /old\n")
	wanted := loadText(t, "[mdserver]\ndatabase = /new.db\n")
	dump := wanted.KeepFixed(running).Dump()
	if !slices.Contains(dump, "mdserver.socket=/old") || slices.Contains(dump, "mdserver.database=/new.db") {
		t.Errorf("the dump does not show what is in force: %q", dump)
	}
	bare := &Config{}
	if bare.KeepFixed(running) == nil || running.KeepFixed(bare) == nil {
		t.Error("a Config without values is not kept")
	}
}

func TestNeedsRestart(t *testing.T) {
	for name, want := range map[[2]string]bool{
		{"dnsmasq", "interface"}:      true,
		{"network lan", "interface"}:  false,
		{"mdserver", "verify_mac"}:    false,
		{"mdserver", "no_such_key"}:   false,
		{"public-keys", "my-own-key"}: false,
	} {
		if got := NeedsRestart(name[0], name[1]); got != want {
			t.Errorf("%v: %v, want %v", name, got, want)
		}
	}
}
