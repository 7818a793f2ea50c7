package doctor

import (
	"context"
	"strings"
)

// hooksBoolean is the boolean of SELinux's policy that lets libvirt's daemons
// run hooks unconfined. It is off by default. Its description is in
// virt_selinux(8), where this was read; it was not tried.
const hooksBoolean = "virt_hooks_unconfined"

// checkSELinux warns if the policy keeps libvirt from running hooks. Without
// them mdserver learns of guests from libvirt's events, a moment after their start.
func checkSELinux(ctx context.Context, _ *Host) []Finding {
	mode, err := run(ctx, "getenforce")
	if err != nil || strings.TrimSpace(mode) != "Enforcing" {
		return []Finding{fine("SELinux is not enforcing on this host")}
	}
	state, err := run(ctx, "getsebool", hooksBoolean)
	if err != nil {
		return []Finding{unknown("SELinux's rules for hooks are not known: %v", err)}
	}
	if strings.HasSuffix(strings.TrimSpace(state), " off") {
		return []Finding{warning("selinux_blocks_hooks", "SELinux prevents libvirt from running hooks: guests are registered by libvirt's events instead, just after they start").
			mend(command("setsebool -P %s on", hooksBoolean), "restorecon -R /etc/libvirt/hooks")}
	}
	return []Finding{fine("SELinux lets libvirt run hooks")}
}
