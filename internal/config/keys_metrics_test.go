package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestMetricsListen(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "[]",
		"no":                          "[]",
		"9810":                        "[127.0.0.1:9810]",
		"127.0.0.1:9810":              "[127.0.0.1:9810]",
		`"9810, [::1]:9810"`:          "[127.0.0.1:9810 [::1]:9810]",
		"0.0.0.0:9810, 10.0.0.1:9811": "[0.0.0.0:9810 10.0.0.1:9811]",
		"9810, 127.0.0.1:9810":        "[127.0.0.1:9810]",
		"[::ffff:127.0.0.1]:9810":     "[127.0.0.1:9810]",
		"[fe80::1%br0]:9810":          "[[fe80::1%br0]:9810]",
	} {
		c, _, err := Load(write(t, "[metrics]\nlisten = "+text+"\n"))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := fmt.Sprint(c.Metrics.Listen); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"localhost:9810", "10.0.0.1", "10.0.0.1:0", "65536", "-1", "::1:9810x", ":9810", "10.0.0.1:9810;9811"} {
		_, _, err := Load(write(t, "[metrics]\nlisten = "+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), ":2: metrics.listen") || !strings.Contains(err.Error(), "accepted: ADDRESS:PORT") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if NeedsRestart("metrics", "listen") {
		t.Error("a change needs a restart")
	}
}

func TestMetricsForGuests(t *testing.T) {
	const network = "[dnsmasq]\nnet_address = 10.122.0.0\nnet_address6 = fd00:122::\n[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\nnet_prefix = 24\n"
	for listen, warned := range map[string]bool{
		"9810": false, "192.0.2.7:9810": false, "[::1]:9810": false, "10.50.1.1:9810": false,
		"0.0.0.0:9810": true, "[::]:9810": true, "10.122.0.1:9810": true, "[fd00:122::1]:9810": true, "10.50.0.1:9810": true,
		"169.254.169.254:9810": true, "9810, 10.122.0.1:9810": true,
	} {
		_, warnings, err := Load(write(t, "[metrics]\nlisten = "+listen+"\n"+network))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(fmt.Sprint(warnings), "lets guests read the metrics"); got != warned {
			t.Errorf("%s: warned is %v, want %v: %v", listen, got, warned, warnings)
		}
	}
}
