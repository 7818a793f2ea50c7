package config

import (
	"strings"
	"testing"
)

const withEtcd = "[store]\nbackend = etcd\nendpoints = https://etcd1\n"

func TestScope(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       string // scope of the last network
	}{
		{"unsaid", lan, ScopeShared},
		{"short form", withEtcd + "[dnsmasq]\nnet_name = mds\nscope = host\n", ScopeHost},
		{"inherited", withEtcd + "[dnsmasq]\nscope = host\n" + lan, ScopeHost},
		{"of its own", withEtcd + lan + "scope = host\n", ScopeHost},
		{"against the inherited", withEtcd + "[dnsmasq]\nscope = host\n" + lan + "scope = Shared\n", ScopeShared},
		{"of libvirt's", withEtcd + "[network default]\nbackend = libvirt\nscope = host\n", ScopeHost},
		{"a part of a prefix", withEtcd + lan + "scope = host\nreserved = 10.50.0.128-10.50.0.255\n", ScopeHost},
		{"one address", withEtcd + lan + "scope = host\nreserved = 10.50.0.2-10.50.0.100, 10.50.0.102-10.50.0.255\n", ScopeHost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, warnings := mustLoad(t, tt.text)
			if got := c.Networks[len(c.Networks)-1].Scope; got != tt.want || len(warnings) > 0 {
				t.Errorf("scope %q, warnings %v", got, warnings)
			}
		})
	}
}

func TestScopeProblems(t *testing.T) {
	const accepted = ", accepted: ranges that leave this host a part of its own"
	for _, tt := range []struct{ name, text, want string }{
		{"unknown", lan + "scope = hosts\n", ":4: network lan.scope = \"hosts\": not one of the choices, accepted: shared or host"},
		{"unknown, for all", "[dnsmasq]\nscope = none\n", ":2: dnsmasq.scope = \"none\": not one of the choices, accepted: shared or host"},
		{"no range", withEtcd + lan + "scope = host\nreserved = 10.50.0.128-10.50.0.254, 10.50.0.2-10.50.0.127\n",
			":8: network lan.reserved = \"10.50.0.128-10.50.0.254, 10.50.0.2-10.50.0.127\": leaves no address of the network lan, 10.50.0.0/24, for guests of this host (scope = host)" + accepted},
		{"no range of the short form", withEtcd + "[dnsmasq]\nscope = host\nreserved = 10.122.0.0-10.122.255.255\n",
			":6: dnsmasq.reserved = \"10.122.0.0-10.122.255.255\": leaves no address of the network mds, 10.122.0.0/16, for guests of this host (scope = host)" + accepted},
		{"no range of IPv6", withEtcd + lan + "scope = host\nnet_address6 = fd00::\nnet_prefix6 = 126\nreserved6 = fd00::2-fd00::3\n",
			"network lan.reserved6 = \"fd00::2-fd00::3\": leaves no address of the network lan, fd00::/126"},
		{"the gateway alone", withEtcd + lan + "scope = host\nnet_prefix = 30\nreserved = 10.50.0.2\n", "leaves no address of the network lan, 10.50.0.0/30"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Load(write(t, tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	for _, text := range []string{lan + "scope = host\n", "[dnsmasq]\nscope = host\n" + lan + "[network b]\ninterface = br-b\nnet_address = 10.9.0.0\n"} {
		_, warnings := mustLoad(t, text)
		if len(warnings) != 1 || !strings.Contains(warnings[0].String(), "scope: has no effect, because store.backend is not etcd") {
			t.Errorf("warnings %v", warnings)
		}
	}
}
