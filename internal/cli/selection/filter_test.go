package selection

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/exit"
	"mdserver/internal/instance"
)

// parsed returns the filter that some flags make.
func parsed(t *testing.T, flags string) (Filter, error) {
	t.Helper()
	cmd := &cobra.Command{}
	f := Flags(cmd)
	HostFlag(cmd, f)
	err := cmd.ParseFlags(strings.Fields(flags))
	return *f, err
}

// TestFilter checks that a guest must match all filters, and any one value of each.
func TestFilter(t *testing.T) {
	guests := map[string]api.Guest{}
	for _, g := range []struct {
		name, host, hostID, networks string
		state                        api.State
		tags                         map[string]string
	}{
		{"a", "kvm1", "id-1", "mds", api.Running, map[string]string{"role": "web", "rack": "1"}},
		{"b", "kvm1", "id-1", "mds lan", api.Off, map[string]string{"role": "web", "rack": ""}},
		{"c", "kvm2", "id-2", "lan", api.Running, map[string]string{"role": "db"}},
		{"d", "", "", "", api.Gone, nil},
	} {
		guest := api.Guest{State: g.state, Instance: instance.Instance{Name: g.name, Home: instance.Home{Host: g.host, HostID: g.hostID}, Metadata: instance.Metadata{Tags: g.tags}}}
		for i, network := range strings.Fields(g.networks) {
			if i == 0 {
				guest.Network = network
				continue
			}
			guest.Further = append(guest.Further, instance.Attachment{Network: network})
		}
		guests[g.name] = guest
	}
	for flags, want := range map[string]string{
		"":                               "a b c d",
		"--network mds":                  "a b",
		"--network lan":                  "b c",
		"--network mds,lan":              "a b c",
		"--network mds --network lan":    "a b c",
		"--state running":                "a c",
		"--state off,gone":               "b d",
		"--state off --state running":    "a b c",
		"--host kvm1":                    "a b",
		"--host id-2":                    "c",
		"--host kvm1,id-2":               "a b c",
		"-l role":                        "a b c",
		"-l rack":                        "a b",
		"-l rack=":                       "b",
		"-l role=web":                    "a b",
		"-l role!=web":                   "c d",
		"-l role!":                       "", // a tag named "role!"
		"-l rack!=":                      "a c d",
		"-l role=web,rack=1":             "a",
		"-l role=web -l rack!=1":         "b",
		"-l role=web=1":                  "",
		"--label role=db":                "c",
		"--network lan --state running":  "c",
		"--network mds --host kvm2":      "",
		"--state running -l role=web":    "a",
		"--host kvm1 -l rack= --state 0": "error",
		"--state dead":                   "error",
		"--state ,":                      "error",
		"-l =web":                        "error",
		"-l !=web":                       "error",
		"-l role=web,":                   "error",
	} {
		f, err := parsed(t, flags)
		if err != nil {
			if want != "error" {
				t.Errorf("%s: %v", flags, err)
			}
			continue
		}
		var passed []string
		for _, name := range []string{"a", "b", "c", "d"} {
			if f.passes(guests[name]) {
				passed = append(passed, name)
			}
		}
		if got := strings.Join(passed, " "); got != want {
			t.Errorf("%s: %q, want %q", flags, got, want)
		}
		if f.Active() != (flags != "") {
			t.Errorf("%s: active is %v", flags, f.Active())
		}
	}
}

// TestFilterFlags checks that flags show their values as given, and that errors list valid ones.
func TestFilterFlags(t *testing.T) {
	f, err := parsed(t, "--state running,off -l role=web,rack!=1 -l az")
	if err != nil {
		t.Fatal(err)
	}
	for flags, want := range map[string]string{
		"--state off,dead": `"dead" is unknown; accepted: running, off, away, gone, unknown`,
		"-l role=web,=db":  `"=db" names no tag; accepted: TAG=VALUE, TAG!=VALUE or TAG`,
	} {
		if _, err := parsed(t, flags); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", flags, err, want)
		}
	}
	labels := tagFlag(f.tags)
	if got := f.states.String() + " " + labels.String(); got != "running,off role=web,rack!=1,az" {
		t.Error(got)
	}
}

// TestUnknownPlaces checks that an unknown network or host is an error that lists the known ones.
func TestUnknownPlaces(t *testing.T) {
	networks := []api.Network{{Name: "mds"}, {Name: "lan"}}
	hosts := []api.Host{{ID: "id-1", Name: "kvm1"}, {ID: "id-2", Name: "kvm2"}}
	for flags, want := range map[string]string{
		"":                          "",
		"--network lan":             "",
		"--network lan,wan":         `--network: no network "wan" is served; accepted: mds, lan`,
		"--host kvm1,id-2":          "",
		"--host kvm3":               `--host: there is no host "kvm3"; accepted: kvm1, kvm2`,
		"--host kvm1 --host id-3":   `--host: there is no host "id-3"; accepted: kvm1, kvm2`,
		"--network mds --host kvm2": "",
	} {
		f, err := parsed(t, flags)
		if err != nil {
			t.Fatal(err)
		}
		errs := []error{f.checkNetworks(networks), f.checkHosts(hosts)}
		errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
		switch {
		case want == "" && len(errs) > 0, want != "" && len(errs) != 1:
			t.Errorf("%s: %v, want %s", flags, errs, want)
		case want != "" && (errs[0].Error() != want || exit.Code(errs[0]) != exit.Usage):
			t.Errorf("%s: %v, want %s", flags, errs[0], want)
		}
	}
}
