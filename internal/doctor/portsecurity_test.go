package doctor

import (
	"strings"
	"testing"

	"mdserver/internal/admin"
	"mdserver/internal/config"
	"mdserver/internal/portsecurity"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/table"
)

func TestCheckPortSecurity(t *testing.T) {
	on := portsecurity.Status{On: true, Guests: 3}
	dropped := on
	dropped.Ports = []portsecurity.Counted{
		{Port: plan.Port{Name: "vnet4", Guest: "web 1"}, Dropped: table.Counts{table.KindARP: 7}},
		{Port: plan.Port{Name: "tap0"}, Dropped: table.Counts{table.KindDHCP: 1}},
	}
	strangers, failed := on, on
	strangers.Strangers, failed.Trouble = 2, "no kernel support"
	for name, test := range map[string]struct {
		configured bool
		status     portsecurity.Status
		want       []string
	}{
		"off":       {false, portsecurity.Status{}, []string{"warning guests on the network \"mds\" can send as each other"}},
		"on":        {true, on, []string{"ok on the network \"mds\", 3 guests send only as themselves"}},
		"failed":    {true, failed, []string{"wrong port security of the network \"mds\" is not enforced: no kernel support"}},
		"strangers": {true, strangers, []string{"ok ", "warning the bridge br-none has 2 taps of no known guest"}},
		"dropped": {true, dropped, []string{"ok ", "warning the guest \"web 1\" sent at vnet4 what it may not, which was dropped: 7 ARP of a foreign address",
			"warning tap0 sent what it may not, which was dropped: 1 DHCP of a server or of another client"}},
	} {
		h := &Host{Config: &config.Config{Networks: []config.Network{{Name: "mds", PortSecurity: test.configured}}}}
		h.status.Networks = []admin.Network{{Name: "mds", Bridge: "br-none", PortSecurity: test.status}}
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
