package guests

import (
	"time"

	"mdserver/internal/config"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/doctor/system"
	"mdserver/internal/libvirt/hooks"
)

// startSlack covers that the kernel tells a process's start roughly, and that a
// daemon looks for hooks a moment after it.
const startSlack = time.Second

// Hook checks that libvirt has mdserver's hook, and has read it.
func Hook(h *host.Facts) []finding.Finding {
	hook, daemon := h.Hook, h.Libvirt.Daemon
	switch {
	case hook.Denied:
		return []finding.Finding{finding.Unchecked("/%s: only root may read it", hooks.Dir)}
	case hook.Path == "":
		return []finding.Finding{finding.Fail("hook_missing", "libvirt has no hook for mdserver").Mend("mdserver install", reload(h))}
	case !hook.Executable:
		return []finding.Finding{finding.Fail("hook_not_executable", "the hook %s is not executable", hook.Path).
			Mend(finding.Command("chmod 755 %s", hook.Path), reload(h))}
	case !hook.Stops && h.Config.Store.Backend == config.BackendEtcd && h.Config.Libvirt.URI.Off:
		return []finding.Finding{finding.Warn("hook_outdated", "the hook %s does not report guests that stop, and this host follows no events of libvirt (uri = off): other hosts do not learn that a migration from here has ended", hook.Path).
			Advise("install the present hook: `mdserver install`")}
	case daemon.PID == 0:
		return []finding.Finding{finding.Unchecked("%s is installed; no libvirt daemon runs", hook.Path)}
	case hook.SinceErr != nil:
		return []finding.Finding{finding.Unchecked("%s is installed; the start of %s is not known: %v", hook.Path, daemon, hook.SinceErr)}
	case hook.Oldest.After(hook.Since.Add(startSlack)):
		return []finding.Finding{finding.Fail("hook_not_loaded", "%s has run since %s and looks for hooks only when it starts or reloads; the hook was installed at %s",
			daemon, hook.Since.Format(time.DateTime), hook.Oldest.Format(time.DateTime)).Mend(reload(h))}
	}
	return []finding.Finding{finding.Good("%s is installed, and %s has read it", hook.Path, daemon)}
}

// reload is the command that makes the daemon look for hooks. A daemon that
// systemd did not start is restarted, which no guest notices.
func reload(h *host.Facts) string {
	if d := h.Libvirt.Daemon; d.PID != 0 && d.Service == "" {
		return finding.Command("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.1; done; %s --daemon", d.PID, d.PID, program(d))
	}
	return finding.Command("systemctl reload %s", h.Libvirt.DaemonUnit)
}

func program(d kernel.Process) string {
	if len(d.Args) == 0 { // it ended meanwhile
		return d.Name
	}
	return d.Args[0]
}

// SELinux warns if the policy keeps libvirt from running hooks. Without them
// mdserver learns of guests from libvirt's events, a moment after their start.
func SELinux(h *host.Facts) []finding.Finding {
	switch s := h.SELinux; {
	case !s.Enforcing:
		return []finding.Finding{finding.Good("SELinux is not enforcing on this host")}
	case s.Err != nil:
		return []finding.Finding{finding.Unchecked("SELinux's rules for hooks are not known: %v", s.Err)}
	case !s.Hooks:
		return []finding.Finding{finding.Warn("selinux_blocks_hooks", "SELinux prevents libvirt from running hooks: guests are registered by libvirt's events instead, just after they start").
			Mend(finding.Command("setsebool -P %s on", system.HooksBoolean), "restorecon -R /etc/libvirt/hooks")}
	}
	return []finding.Finding{finding.Good("SELinux lets libvirt run hooks")}
}
