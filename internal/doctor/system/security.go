package system

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// SELinux is the state of its policy.
type SELinux struct {
	Enforcing bool
	Hooks     bool  // the policy lets libvirt run hooks
	Err       error // why that is not known
}

// HooksBoolean is the boolean of SELinux's policy that lets libvirt's daemons
// run hooks unconfined. It is off by default. Its description is in
// virt_selinux(8), where this was read; it was not tried.
const HooksBoolean = "virt_hooks_unconfined"

// SELinux asks for the mode and the boolean.
func (r Reader) SELinux(ctx context.Context) SELinux {
	mode, err := r.Run(ctx, "getenforce")
	if err != nil || strings.TrimSpace(mode) != "Enforcing" {
		return SELinux{}
	}
	state, err := r.Run(ctx, "getsebool", HooksBoolean)
	return SELinux{Enforcing: true, Hooks: !strings.HasSuffix(strings.TrimSpace(state), " off"), Err: err}
}

// AppArmor is the state of its profile for dnsmasq.
type AppArmor struct {
	Err      error // why it is not known
	Enforced bool
	Rules    string   // of the profile and of the file for local rules
	Dirs     []string // the directories of dnsmasq's files, as the kernel names them
}

// Where AppArmor's profiles are; see apparmor.d(5). That dnsmasq's profile is
// named dnsmasq, or /usr/sbin/dnsmasq in older versions, and includes the file
// for local rules was read in the profile of Debian's package apparmor-profiles.
const (
	LoadedProfiles = "/sys/kernel/security/apparmor/profiles"
	DnsmasqProfile = "/etc/apparmor.d/usr.sbin.dnsmasq"
	DnsmasqLocal   = "/etc/apparmor.d/local/usr.sbin.dnsmasq"
)

// AppArmor reads the profile for dnsmasq, whose files are in dirs.
func (r Reader) AppArmor(dirs ...string) AppArmor {
	loaded, err := fs.ReadFile(r.Root, LoadedProfiles[1:])
	if errors.Is(err, fs.ErrPermission) {
		return AppArmor{Err: err}
	}
	a := AppArmor{Enforced: confines(string(loaded))}
	if !a.Enforced {
		return a
	}
	for _, file := range []string{DnsmasqProfile, DnsmasqLocal} {
		text, err := fs.ReadFile(r.Root, file[1:])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return AppArmor{Enforced: true, Err: fmt.Errorf("%s cannot be read: %w", file, err)}
		}
		a.Rules += string(text) + "\n"
	}
	for _, dir := range dirs {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		a.Dirs = append(a.Dirs, dir)
	}
	return a
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
