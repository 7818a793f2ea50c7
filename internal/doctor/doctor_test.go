package doctor

import (
	"errors"
	"strings"
	"testing"

	"mdserver/internal/doctor/doctortest"
	"mdserver/internal/doctor/finding"
)

// Nothing is wrong with a healthy host, and each check says so in a row of its own.
func TestHealthyHost(t *testing.T) {
	report := Examine(doctortest.Healthy(t))
	if !report.Healthy || report.Count(finding.OK) != len(report.Findings) {
		t.Errorf("not healthy:\n%s", doctortest.Text(report.Findings))
	}
	seen := map[string]string{}
	var names []string
	for _, f := range report.Findings {
		seen[f.Check] = f.Looked
		names = append(names, f.Check)
	}
	const want = "configuration, server, identity, data, database, store, libvirt, libvirt state, libvirt network, bridge, route, port, dnsmasq, users, " +
		"dnsmasq clash, firewall, port security, uplinks, hook, selinux, apparmor, guests, taps, drivers, datasource, names, resolver, addresses, clock"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("checked %s, want %s", got, want)
	}
	for _, c := range checks() {
		if c.looks == "" || seen[c.name] != c.looks {
			t.Errorf("%s looked at %q, want %q", c.name, seen[c.name], c.looks)
		}
	}
	if len(seen) != len(checks()) {
		t.Errorf("%d checks reported, want %d", len(seen), len(checks()))
	}
}

// Something wrong makes a host unhealthy, and a warning does not.
func TestHealthy(t *testing.T) {
	h := doctortest.Healthy(t)
	h.Clock.Synchronised = false
	if report := Examine(h); !report.Healthy || report.Count(finding.Warning) != 1 {
		t.Errorf("with a warning:\n%s", doctortest.Text(report.Findings))
	}
	h.Hook.Executable = false
	if report := Examine(h); report.Healthy || report.Count(finding.Wrong) != 1 {
		t.Errorf("with something wrong:\n%s", doctortest.Text(report.Findings))
	}
}

// Without a valid configuration, the checks that do not need one are made.
func TestWithoutConfiguration(t *testing.T) {
	h := doctortest.Healthy(t)
	h.Config, h.ConfigErr = nil, errors.New("line 1: no section")
	made := map[string]bool{}
	for _, f := range Examine(h).Findings {
		if f.Text != "not checked: the configuration is not valid" {
			made[f.Check] = true
		} else if f.State != finding.Unknown {
			t.Errorf("%+v", f)
		}
	}
	for _, name := range []string{"configuration", "libvirt state", "selinux", "clock"} {
		if !made[name] {
			t.Errorf("%s was not checked", name)
		}
	}
	if len(made) != 4 {
		t.Errorf("checked: %v", made)
	}
}
