// Package doctor examines a host of mdserver, finds common problems, and suggests
// the commands that repair them. It changes nothing, and works whether the server
// runs or not. It reports checks that it has no right to make, and does not guess.
//
//	report := doctor.Examine(host.Read(ctx, configFile, client, etcd.Inspect))
//	for _, f := range report.Findings { … }
//
// A check has two parts: package host reads facts from this host, and a function
// of the facts decides. Each check is one row of a table: its name, what it checks,
// and that function.
package doctor

import (
	"slices"

	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/guests"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/network"
	"mdserver/internal/doctor/server"
)

// Report is the outcome of all checks.
type Report struct {
	Healthy  bool              `json:"healthy"` // nothing is wrong; there may be warnings
	Findings []finding.Finding `json:"findings"`
}

// Count is the number of findings in one state.
func (r Report) Count(state finding.State) int {
	n := 0
	for _, f := range r.Findings {
		if f.State == state {
			n++
		}
	}
	return n
}

// check is one row of the table.
type check struct {
	name, looks string
	decide      func(*host.Facts) []finding.Finding
	always      bool // it can be made without a valid configuration
}

// checks are ordered from what others depend on to what depends on others.
func checks() []check {
	return []check{
		{"configuration", "mdserver.conf and what it includes", server.Configuration, true},
		{"server", "the control socket and the systemd unit", server.Process, false},
		{"identity", "how guests are identified", server.Identity, false},
		{"data", "rights of the directories and files that the server uses", server.Files, false},
		{"database", "the database of guests", server.Database, false},
		{"store", "the etcd cluster that has the inventory", server.Store, false},
		{"libvirt", "libvirt's socket", guests.Libvirt, false},
		{"libvirt state", "the directory that libvirt needs to start a guest on a network", guests.State, true},
		{"libvirt network", "libvirt's networks", guests.Networks, false},
		{"bridge", "the bridges and their addresses", network.Bridges, false},
		{"route", "the kernel's routes to the guests and to the metadata address", network.Routes, false},
		{"port", "the program that listens on the metadata server's port", network.Port, false},
		{"dnsmasq", "the dnsmasq program and its state", network.Dnsmasq, false},
		{"users", "the users of dnsmasq and of the server", server.Users, false},
		{"dnsmasq clash", "the programs on the ports of DHCP and DNS", network.Clash, false},
		{"firewall", "nftables and iptables rules on what guests send to this host", network.Firewall, false},
		{"port security", "port security, as the server enforces it", network.PortSecurity, false},
		{"uplinks", "the bridges' ports to other machines, and who answers there for the metadata addresses", network.Uplinks, false},
		{"hook", "libvirt's hooks and the age of its daemon", guests.Hook, false},
		{"selinux", "SELinux's rules for libvirt's hooks", guests.SELinux, true},
		{"apparmor", "AppArmor's rules for dnsmasq's files", network.AppArmor, false},
		{"guests", "the domains' network interfaces", guests.Guests, false},
		{"taps", "the bridges that the running guests are on", guests.Taps, false},
		{"drivers", "the domains' cards and disks", guests.Drivers, false},
		{"datasource", "the datasources that cloud-init detects by the domains' SMBIOS", guests.Datasource, false},
		{"names", "the guests' names in DNS", guests.Names, false},
		{"resolver", "systemd-resolved, which resolves names for this host", network.Resolver, false},
		{"addresses", "free addresses of the networks", network.Addresses, false},
		{"clock", "the kernel's clock", server.Clock, true},
	}
}

// Examine makes all checks.
func Examine(h *host.Facts) Report {
	report := Report{}
	for _, c := range checks() {
		found := []finding.Finding{finding.Unchecked("not checked: the configuration is not valid")}
		if c.always || h.Config != nil {
			found = c.decide(h)
		}
		for _, f := range found {
			f.Check, f.Looked = c.name, c.looks
			report.Findings = append(report.Findings, f)
		}
	}
	report.Healthy = !slices.ContainsFunc(report.Findings, func(f finding.Finding) bool { return f.State == finding.Wrong })
	return report
}
