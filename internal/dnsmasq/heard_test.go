package dnsmasq

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"mdserver/internal/instance"
)

func TestHearDHCP(t *testing.T) {
	var got []string
	lines := newLogLines(slog.New(slog.DiscardHandler), listener{heard: func(mac instance.MAC, message string) {
		got = append(got, message+" "+mac.String())
	}})
	fmt.Fprint(lines, "dnsmasq-dhcp[7]: DHCPDISCOVER(br-mds) 52:54:00:4a:0c:11 no address available\n",
		"dnsmasq-dhcp: DHCPACK(br-mds) 10.122.0.9 52:54:00:4a:0c:11 web1\n",
		"dnsmasq-dhcp: DHCP, static leases only on 10.122.0.0, lease time 1d\n",
		"dnsmasq-dhcp: DHCPREPLY(br-mds) fd00::9 00:01:00:01:2a:bb:cc:dd:52:54:00:4a:0c:11 web1\n",
		"dnsmasq: query[A] DHCPACK(x) from 10.122.0.9\n")
	want := []string{"DHCPDISCOVER 52:54:00:4a:0c:11", "DHCPACK 52:54:00:4a:0c:11"}
	if !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}
