package config

import (
	"fmt"
	"testing"
)

func TestListenAddresses6(t *testing.T) {
	const network = "[dnsmasq]\nnet_address6 = fd00:122::\ninterface = br7\n"
	tests := []struct{ name, text, want string }{
		{"no IPv6", "", "[]"},
		{"IPv6 on the network", network, "[fd00:ec2::254 fe80::a9fe:a9fe%br7]"},
		{"others", "[mdserver]\nlisten_address6 = fd00::1, fe80::7%br0\n" + network, "[fd00::1 fe80::7%br0]"},
		{"others without a network", "[mdserver]\nlisten_address6 = fd00::1\n", "[fd00::1]"},
		{"none", "[mdserver]\nlisten_address6 =\n" + network, "[]"},
		{"no", "[mdserver]\nlisten_address6 = no\n" + network, "[]"},
		{"every address", "[mdserver]\nlisten_address = ::\n" + network, "[]"},
		{"every IPv4 address", "[mdserver]\nlisten_address = 0.0.0.0\n" + network, "[fd00:ec2::254 fe80::a9fe:a9fe%br7]"},
		{"the same address twice", "[mdserver]\nlisten_address = fd00:ec2::254\n" + network, "[fe80::a9fe:a9fe%br7]"},
	}
	for _, tt := range tests {
		c, _, err := Load(write(t, tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := fmt.Sprint(c.ListenAddresses6()); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	for _, text := range []string{"169.254.169.254", "fd00::1 fd00::2", "::ffff:10.0.0.1", "always"} {
		if _, _, err := Load(write(t, "[mdserver]\nlisten_address6 = "+text+"\n")); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
