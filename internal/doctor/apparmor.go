package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// Where AppArmor's profiles are; see apparmor.d(5). That dnsmasq's profile is
// named dnsmasq, or /usr/sbin/dnsmasq in older versions, and includes the file
// for local rules was read in the profile of Debian's package apparmor-profiles.
const (
	loadedProfiles = "/sys/kernel/security/apparmor/profiles"
	dnsmasqProfile = "/etc/apparmor.d/usr.sbin.dnsmasq"
	dnsmasqLocal   = "/etc/apparmor.d/local/usr.sbin.dnsmasq"
)

// checkAppArmor finds a profile that is enforced and keeps dnsmasq from its
// files. The profile that distributions have knows libvirt's directories, and
// not ours.
func checkAppArmor(ctx context.Context, h *Host) []Finding {
	loaded, err := os.ReadFile(loadedProfiles)
	switch {
	case os.IsPermission(err):
		return []Finding{unknown("%s: only root may read it", loadedProfiles)}
	case !confines(string(loaded)):
		return []Finding{fine("AppArmor enforces no profile for dnsmasq on this host")}
	}
	var rules strings.Builder
	for _, file := range []string{dnsmasqProfile, dnsmasqLocal} {
		text, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			return []Finding{unknown("%v", err)}
		}
		rules.Write(append(text, '\n'))
	}
	var lacks []string
	for _, dir := range []string{h.Config.Dnsmasq.BaseDir, h.Config.Dnsmasq.RunDir} {
		if real, err := filepath.EvalSymlinks(dir); err == nil { // as the kernel names it
			dir = real
		}
		if !admits(rules.String(), dir) {
			lacks = append(lacks, dir)
		}
	}
	if len(lacks) == 0 {
		return []Finding{fine("AppArmor's profile for dnsmasq has rules for mdserver's directories")}
	}
	f := wrong("apparmor_denies_dnsmasq", "AppArmor enforces a profile for dnsmasq without a rule for %s: dnsmasq cannot use its files there", strings.Join(lacks, " and "))
	return []Finding{h.restart(ctx, f.mend(admit(lacks), command("apparmor_parser --replace %s", dnsmasqProfile)))}
}

// confines reports whether a profile for dnsmasq is enforced, by the list of
// profiles that the kernel prints: "NAME (MODE)", one a line.
func confines(loaded string) bool {
	for line := range strings.Lines(loaded) {
		switch strings.TrimSpace(line) {
		case "dnsmasq (enforce)", "/usr/sbin/dnsmasq (enforce)", "/usr/{bin,sbin}/dnsmasq (enforce)":
			return true
		}
	}
	return false
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
	return command(line+" >> %s", append(words, dnsmasqLocal)...)
}
