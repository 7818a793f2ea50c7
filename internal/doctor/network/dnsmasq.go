package network

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/dnsmasq"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/system"
	"mdserver/internal/health"
)

// oldest is the least dnsmasq: from 2.89 on, what leaves a watched hosts
// directory leaves DNS.
var oldest = [2]int{2, 89}

var versionText = regexp.MustCompile(`Dnsmasq version (\d+)\.(\d+)`)

// Dnsmasq checks the dnsmasq program, and what the server reports of itself.
func Dnsmasq(h *host.Facts) []finding.Finding {
	if !slices.ContainsFunc(h.Networks, host.Network.OwnDnsmasq) {
		return []finding.Finding{finding.Good("dnsmasq is off: other programs serve DHCP and DNS")}
	}
	program := h.Config.Dnsmasq.Binary
	if err := h.Dnsmasq.Missing; err != nil {
		return []finding.Finding{installDnsmasq(h, finding.Fail("dnsmasq_missing", "there is no dnsmasq at %s (%v)", program, err))}
	}
	all := version(program, h.Dnsmasq)
	if h.Server.Running() {
		all = append(append(all, troubles(h)...), serving(h)...)
	}
	return finding.Unless(all, finding.Good("%s can be used", program))
}

// stockDnsmasq is where distributions have the program.
const stockDnsmasq = "/usr/sbin/dnsmasq"

// installDnsmasq adds how the program comes to be where the configuration says.
func installDnsmasq(h *host.Facts, f finding.Finding) finding.Finding {
	if h.Config.Dnsmasq.Binary != stockDnsmasq {
		return f.Change(h, "dnsmasq", "binary", stockDnsmasq)
	}
	return f.Mend("apt-get install dnsmasq-base")
}

func version(program string, d system.Dnsmasq) []finding.Finding {
	if d.Err != nil {
		return []finding.Finding{finding.Fail("dnsmasq_broken", "dnsmasq does not run: %v", d.Err).Mend("apt-get install --reinstall dnsmasq-base")}
	}
	m := versionText.FindStringSubmatch(d.Version)
	if m == nil {
		return []finding.Finding{finding.Unchecked("%s does not print its version", program)}
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if slices.Compare([]int{major, minor}, oldest[:]) < 0 {
		return []finding.Finding{finding.Fail("dnsmasq_too_old", "%s is version %s.%s, but %d.%d or later is required", program, m[1], m[2], oldest[0], oldest[1]).
			Mend("apt-get install dnsmasq-base")}
	}
	return nil
}

// troubles repeats what the server reports.
func troubles(h *host.Facts) []finding.Finding {
	var all []finding.Finding
	for _, trouble := range h.Server.Status.Trouble() {
		f := finding.Fail("server_trouble", "the server reports: %s", trouble)
		if trouble.State == health.Warning {
			f.State = finding.Warning
		}
		if len(trouble.Look) == 0 {
			f = f.Advise("see `%s` and `journalctl -u %s -n 20`", finding.Mdserver(h, "status"), host.UnitName)
		}
		for _, look := range trouble.Look {
			f = f.Advise("see `%s`", look)
		}
		all = append(all, f)
	}
	return all
}

// serving finds the networks whose dnsmasq does not run, unless the server has
// reported that.
func serving(h *host.Facts) []finding.Finding {
	var all []finding.Finding
	for _, n := range h.Server.Status.Networks {
		switch st := n.Dnsmasq; {
		case st == nil || st.Mode == dnsmasq.Off || st.PID != 0 || n.Trouble != "":
		case st.Mode == dnsmasq.External:
			all = append(all, finding.Fail("dnsmasq_external_not_running", "no dnsmasq runs with the server's files for the network %q", n.Name).
				Mend("systemctl enable --now mdserver-dnsmasq.service"))
		default:
			all = append(all, finding.Fail("dnsmasq_not_running", "the server's dnsmasq for the network %q does not run", n.Name).Restart(h))
		}
	}
	return all
}

// AppArmor finds a profile that is enforced and keeps dnsmasq from its files. The
// profile that distributions have knows libvirt's directories, and not ours.
func AppArmor(h *host.Facts) []finding.Finding {
	a := h.AppArmor
	switch {
	case a.Err != nil && !a.Enforced:
		return []finding.Finding{finding.Unchecked("%s: only root may read it", system.LoadedProfiles)}
	case a.Err != nil:
		return []finding.Finding{finding.Unchecked("%v", a.Err)}
	case !a.Enforced:
		return []finding.Finding{finding.Good("AppArmor enforces no profile for dnsmasq on this host")}
	}
	lacking := slices.DeleteFunc(slices.Clone(a.Dirs), func(dir string) bool { return admits(a.Rules, dir) })
	if len(lacking) == 0 {
		return []finding.Finding{finding.Good("AppArmor's profile for dnsmasq has rules for mdserver's directories")}
	}
	f := finding.Fail("apparmor_denies_dnsmasq", "AppArmor enforces a profile for dnsmasq without a rule for %s: dnsmasq cannot use its files there", strings.Join(lacking, " and "))
	return []finding.Finding{f.Mend(admit(lacking), finding.Command("apparmor_parser --replace %s", system.DnsmasqProfile)).Restart(h)}
}

// admits reports whether there is a rule for files below a directory.
func admits(rules, dir string) bool {
	below, inRun := strings.CutPrefix(dir, "/run/")
	for line := range strings.Lines(rules) {
		path := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "owner "), `"`)
		if strings.HasPrefix(path, dir+"/**") || inRun && strings.HasPrefix(path, "@{run}/"+below+"/**") {
			return true
		}
	}
	return false
}

// admit is the command that adds rules for directories.
func admit(dirs []string) string {
	line := `printf '%%s\n'`
	var words []any
	for _, dir := range dirs {
		line += " %s %s"
		words = append(words, `"`+dir+`/" r,`, `"`+dir+`/**" rwk,`)
	}
	return finding.Command(line+" >> %s", append(words, system.DnsmasqLocal)...)
}
