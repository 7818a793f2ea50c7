package doctor

import (
	"strings"
	"testing"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/portsecurity/table"
)

func TestCheckPortSecurity(t *testing.T) {
	on := api.PortSecurity{On: true, Guests: 3}
	dropped := on
	dropped.Ports = []api.Port{
		{Name: "vnet4", Guest: "web 1", Dropped: api.Drops{string(table.KindARP): 7}},
		{Name: "tap0", Dropped: api.Drops{string(table.KindDHCP): 1}},
	}
	strangers, failed := on, on
	strangers.Strangers, failed.Trouble = 2, "no kernel support"
	for name, test := range map[string]struct {
		configured bool
		status     api.PortSecurity
		want       []string
	}{
		"off":       {false, api.PortSecurity{}, []string{"warning guests on the network \"mds\" can pose as each other"}},
		"on":        {true, on, []string{"ok on the network \"mds\", port security is on for 3 guests"}},
		"failed":    {true, failed, []string{"wrong port security of the network \"mds\" is not enforced: no kernel support"}},
		"strangers": {true, strangers, []string{"ok ", "warning the bridge br-none has 2 taps of no known guest"}},
		"dropped": {true, dropped, []string{"ok ", "warning frames from the guest \"web 1\" at vnet4 were dropped: 7 ARP of a foreign address",
			"warning frames from tap0 were dropped: 1 DHCP of a server or of another client"}},
	} {
		h := &Host{Config: &config.Config{Networks: []config.Network{{Name: "mds", PortSecurity: test.configured}}}}
		h.status.Networks = []api.Network{{Name: "mds", Bridge: "br-none", PortSecurity: test.status}}
		var got []string
		for _, f := range checkPortSecurity(t.Context(), h) {
			got = append(got, string(f.State)+" "+f.Text)
		}
		if len(got) != len(test.want) {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for i, want := range test.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: %q, want %q", name, got[i], want)
			}
		}
	}
}
