package router

import (
	"net/netip"
	"strings"
	"testing"

	"mdserver/internal/instance"
)

func TestReportAddress(t *testing.T) {
	dual := instance.Instance{IPv4: netip.MustParseAddr("10.122.0.10"), IPv6: netip.MustParseAddr("fd00:122::10")}
	only6, none := instance.Instance{IPv6: dual.IPv6}, instance.Instance{}
	const network6 = "[dnsmasq]\nnet_address6 = fd00:122::\n"
	for _, tt := range []struct {
		text  string
		guest instance.Instance
		want  string
	}{
		{"", dual, "169.254.169.254"},
		{"listen_address = 10.122.0.1\n", dual, "10.122.0.1"},
		{"listen_address = 0.0.0.0\n", dual, "169.254.169.254"},
		{"listen_address = ::\n", dual, "169.254.169.254"},
		{"listen_address = ::\n", only6, "fd00:ec2::254"},
		{"listen_address = fd00::1\n", dual, "fd00::1"},
		{"listen_address6 = fe80::1%br0, fd00::2\n" + network6, only6, "fd00::2"},
		{network6, only6, "fd00:ec2::254"},
		{"listen_address6 = fe80::1%br0\n" + network6, only6, "invalid IP"},
		{"", only6, "invalid IP"},
		{"", none, "invalid IP"},
	} {
		if got := reportAddress(load(t, "[mdserver]\n"+tt.text), &tt.guest).String(); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.text, got, tt.want)
		}
	}
}

// TestReportParts checks that guests are asked to report to the server's address and port, if
// the configuration says so and they can reach it.
func TestReportParts(t *testing.T) {
	dual, none := instance.Instance{IPv4: netip.MustParseAddr("10.122.0.10")}, instance.Instance{}
	for _, tt := range []struct {
		text  string
		guest instance.Instance
		want  string // where to, "" for nowhere
	}{
		{"report = yes\n", dual, "http://169.254.169.254/mdserver/report"},
		{"report = yes\nport = 8775\n", dual, "http://169.254.169.254:8775/mdserver/report"},
		{"report = yes\n", none, ""},
		{"report = no\n", dual, ""},
	} {
		reports := reportParts(load(t, "[mdserver]\n"+tt.text))
		if tt.want == "" {
			if reports != nil && reports(&tt.guest) != nil {
				t.Errorf("%q: %v has to report", tt.text, tt.guest)
			}
			continue
		}
		if parts := reports(&tt.guest); len(parts) == 0 || !strings.Contains(string(parts[0].Body), tt.want) {
			t.Errorf("%q: the parts %v lack %s", tt.text, parts, tt.want)
		}
	}
}
