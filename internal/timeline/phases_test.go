package timeline

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"mdserver/internal/api"
)

func succeeds(at float64) told {
	return func(l *Log) {
		l.Note(web1, api.BootEntry{At: after(at), Kind: api.EntryStatus, Source: api.FromGuest, Result: api.ResultSuccess})
	}
}

func warns(at float64) told {
	return func(l *Log) {
		l.Note(web1, api.BootEntry{At: after(at), Kind: api.EntryStatus, Source: api.FromGuest, Result: api.ResultWarn})
	}
}

func TestPhases(t *testing.T) {
	const metadata = "/latest/meta-data/"
	for _, tt := range []struct {
		name string
		told []told
		want []string
	}{
		{
			"a whole boot",
			[]told{start(0, api.FromLibvirt), dhcp(2, "DHCPDISCOVER"), dhcp(3, "DHCPACK"), asks(5, metadata, 200), succeeds(30)},
			[]string{"lease 3s", "metadata 2s", "ready 25s", "boot 30s"},
		},
		{
			"each phase ends once",
			[]told{
				start(0, api.FromLibvirt), dhcp(3, "DHCPACK"), dhcp(4, "DHCPACK"), asks(5, metadata, 200), asks(6, metadata, 200),
				asks(7, "/openstack/latest/meta_data.json", 200), succeeds(30), succeeds(31),
			},
			[]string{"lease 3s", "metadata 2s", "ready 25s", "boot 30s"},
		},
		{
			"metadata at the second try",
			[]told{start(0, api.FromLibvirt), dhcp(3, "DHCPACK"), asks(4, metadata, 503), asks(9, metadata, 200)},
			[]string{"lease 3s", "metadata 6s"},
		},
		{
			"a reboot",
			[]told{start(0, api.FromLibvirt), dhcp(3, "DHCPACK"), reboot(60), dhcp(61, "DHCPACK")},
			[]string{"lease 3s", "lease 1s"},
		},
		{"the hook's start is the earlier one", []told{start(1, api.FromLibvirt), start(0, api.FromHook), dhcp(3, "DHCPACK")}, []string{"lease 3s"}},
		{"no start was seen", []told{dhcp(3, "DHCPACK"), asks(5, metadata, 200), succeeds(30)}, []string{"metadata 2s", "ready 25s"}},
		{"no lease", []told{start(0, api.FromLibvirt), asks(5, metadata, 200), succeeds(30)}, []string{"ready 25s", "boot 30s"}},
		{"cloud-init warns", []told{start(0, api.FromLibvirt), asks(5, metadata, 200), warns(30)}, nil},
		{"the clock is set back", []told{start(10, api.FromLibvirt), dhcp(9, "DHCPACK")}, []string{"lease 0s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLog()
			var got []string
			l.Measured = func(phase api.BootPhase, took time.Duration) { got = append(got, fmt.Sprintf("%s %v", phase, took)) }
			for _, tell := range tt.told {
				tell(l)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("the phases are %q, want %q", got, tt.want)
			}
		})
	}
}
