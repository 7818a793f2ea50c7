package explain

import (
	"strings"
	"testing"

	"mdserver/internal/instance"
)

func TestOnOthers(t *testing.T) {
	snapshot := newInventory(t, "web", "mine")
	prefixed := network
	prefixed.NamePrefix = "lab-"
	for name, tt := range map[string]struct {
		wanted instance.Wanted
		runsOn string
		want   []string // all of it
	}{
		"nothing":      {},
		"on two hosts": {runsOn: "kvm2", want: []string{"it runs here and on the host kvm2"}},
		"a name": {wanted: instance.Wanted{Name: "web", Hostname: "web"}, want: []string{
			`its domain's name is "web", which another guest has, on no host`, `its host name is "mine" instead of "web", which the guest "web" has`}},
		"a name that is free now":   {wanted: instance.Wanted{Name: "free", Hostname: "free"}, want: []string{`which another guest had; it gets the name with its next start`}},
		"a host name":               {wanted: instance.Wanted{Hostname: "WEB"}, want: []string{`instead of "WEB", which the guest "web" has`}},
		"a name that is one in DNS": {wanted: instance.Wanted{Hostname: "lab-web"}, want: []string{`instead of "lab-web", which the guest "web" has`}},
		"a name that is its own":    {wanted: instance.Wanted{Hostname: "lab-mine"}},
	} {
		t.Run(name, func(t *testing.T) {
			known, _ := snapshot.ByName("mine")
			guest := *known
			guest.Wanted = tt.wanted
			s := Subject{Guest: &guest, Snapshot: snapshot, Networks: []instance.Network{prefixed}, RunsOn: tt.runsOn}
			found := s.onOthers()
			if len(found) != len(tt.want) {
				t.Fatalf("%+v, want %q", found, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(found[i].Text, want) {
					t.Errorf("%q, want %q", found[i].Text, want)
				}
			}
			if all := strings.Join(Guest(s).Missing, "\n"); len(tt.want) > 0 && !strings.Contains(all, tt.want[0]) {
				t.Errorf("the explanation lacks it:\n%s", all)
			}
		})
	}
}
