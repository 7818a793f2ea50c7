// Package doctor examines a host of mdserver, finds common problems, and suggests
// the commands that repair them. It changes nothing, and works whether the server
// runs or not. It reports checks that it has no right to make, and does not guess.
//
//	report := doctor.Examine(ctx, doctor.NewHost(ctx, configFile, client))
//	for _, finding := range report.Findings { … }
//
// Each check is one row of a table: its name, what it checks, and a function.
package doctor

import (
	"context"
	"fmt"
	"slices"
)

// State is the outcome of one finding.
type State string

// The states, from good to bad; Unknown is what could not be checked.
const (
	OK      State = "ok"
	Unknown State = "unknown"
	Warning State = "warning"
	Wrong   State = "wrong"
)

// NotChecked is the code of all findings in the state Unknown.
const NotChecked = "not_checked"

// Finding is one thing that a check has found.
type Finding struct {
	Check  string   `json:"check"`
	Looked string   `json:"looked_at"`
	State  State    `json:"state"`
	Code   string   `json:"code,omitempty"` // the kind of finding, for programs; empty for OK
	Text   string   `json:"finding"`
	Advice []string `json:"advice,omitempty"` // what to decide or to edit before that
	Remedy []string `json:"remedy,omitempty"` // commands to type, in this order
}

// Report is the outcome of all checks.
type Report struct {
	Healthy  bool      `json:"healthy"` // nothing is wrong; there may be warnings
	Findings []Finding `json:"findings"`
}

// Count is the number of findings in one state.
func (r Report) Count(state State) int {
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
	run         func(context.Context, *Host) []Finding
	always      bool // it can be made without a configuration that holds
}

// checks are ordered from what others depend on to what depends on others.
func checks() []check {
	return []check{
		{"configuration", "mdserver.conf and what it includes", checkConfiguration, true},
		{"server", "the control socket and the systemd unit", checkServer, false},
		{"identity", "how guests are identified", checkIdentity, false},
		{"data", "rights of the directories and files that the server uses", checkData, false},
		{"database", "the database of guests", checkDatabase, false},
		{"libvirt", "libvirt's socket", checkLibvirt, false},
		{"libvirt state", "the directory that libvirt needs to start a guest on a network", checkLibvirtState, true},
		{"libvirt network", "libvirt's networks", checkLibvirtNetworks, false},
		{"bridge", "the bridges and their addresses", checkBridges, false},
		{"route", "the kernel's routes to the guests and to the metadata address", checkRoutes, false},
		{"port", "the program that listens on the metadata server's port", checkPort, false},
		{"dnsmasq", "the dnsmasq program and its state", checkDnsmasq, false},
		{"users", "the users of dnsmasq and of the server", checkUsers, false},
		{"dnsmasq clash", "the programs on the ports of DHCP and DNS", checkClash, false},
		{"firewall", "nftables and iptables rules on what guests send to this host", checkFirewall, false},
		{"port security", "port security, as the server enforces it", checkPortSecurity, false},
		{"hook", "libvirt's hooks and the age of its daemon", checkHook, false},
		{"selinux", "SELinux's rules for libvirt's hooks", checkSELinux, true},
		{"apparmor", "AppArmor's rules for dnsmasq's files", checkAppArmor, false},
		{"guests", "the domains' network interfaces", checkGuests, false},
		{"taps", "the bridges that the running guests are on", checkTaps, false},
		{"drivers", "the domains' cards and disks", checkDrivers, false},
		{"datasource", "the datasources that cloud-init detects by the domains' SMBIOS", checkDatasource, false},
		{"names", "the guests' names in DNS", checkNames, false},
		{"resolver", "systemd-resolved, which resolves names for this host", checkResolver, false},
		{"addresses", "free addresses of the networks", checkAddresses, false},
		{"clock", "the kernel's clock", checkClock, true},
	}
}

// Examine makes all checks, one after the other.
func Examine(ctx context.Context, h *Host) Report {
	report := Report{}
	for _, c := range checks() {
		findings := []Finding{unknown("not checked: the configuration is not valid")}
		if c.always || h.Config != nil {
			findings = c.run(ctx, h)
		}
		for _, f := range findings {
			f.Check, f.Looked = c.name, c.looks
			report.Findings = append(report.Findings, f)
		}
	}
	report.Healthy = !slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.State == Wrong })
	return report
}

func fine(format string, args ...any) Finding {
	return Finding{State: OK, Text: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) Finding {
	return Finding{State: Unknown, Code: NotChecked, Text: fmt.Sprintf(format, args...)}
}

func warning(code, format string, args ...any) Finding {
	return Finding{State: Warning, Code: code, Text: fmt.Sprintf(format, args...)}
}

func wrong(code, format string, args ...any) Finding {
	return Finding{State: Wrong, Code: code, Text: fmt.Sprintf(format, args...)}
}

// mend adds the commands that repair the problem.
func (f Finding) mend(commands ...string) Finding {
	f.Remedy = append(f.Remedy, commands...)
	return f
}

// unless gives findings, or the good one if there are none.
func unless(findings []Finding, good Finding) []Finding {
	if len(findings) == 0 {
		return []Finding{good}
	}
	return findings
}
