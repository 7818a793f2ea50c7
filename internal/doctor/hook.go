package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"mdserver/internal/libvirt/hooks"
)

// startSlack covers that the kernel tells a process's start roughly, and that a
// daemon looks for hooks a moment after it.
const startSlack = time.Second

func checkHook(ctx context.Context, h *Host) []Finding {
	if _, err := os.Stat("/" + hooks.Dir); errors.Is(err, fs.ErrPermission) {
		return []Finding{unknown("/%s: only root may read it", hooks.Dir)}
	}
	ours := ourHook()
	if ours == "" {
		return []Finding{wrong("hook_missing", "libvirt has no hook for mdserver").mend("mdserver install", reloadLibvirt(h))}
	}
	if info, err := os.Stat(ours); err == nil && info.Mode().Perm()&0o111 == 0 {
		return []Finding{wrong("hook_not_executable", "the hook %s is not executable", ours).mend(command("chmod 755 %s", ours), reloadLibvirt(h))}
	}
	daemon, found := h.libvirt.daemon()
	if !found {
		return []Finding{unknown("%s is installed; no libvirt daemon runs", ours)}
	}
	since, err := knowsSince(ctx, daemon)
	if err != nil {
		return []Finding{unknown("%s is installed; the start of %s is not known: %v", ours, daemon, err)}
	}
	if oldest := hooks.Oldest(os.DirFS("/")); oldest.After(since.Add(startSlack)) {
		return []Finding{wrong("hook_not_loaded", "%s has run since %s and looks for hooks only when it starts or reloads; the hook was installed at %s",
			daemon, since.Format(time.DateTime), oldest.Format(time.DateTime)).mend(reloadLibvirt(h))}
	}
	return []Finding{fine("%s is installed, and %s has read it", ours, daemon)}
}

// ourHook finds the hook that calls mdserver.
func ourHook() string {
	for _, path := range hooks.List(os.DirFS("/")) {
		text, err := os.ReadFile("/" + path)
		if err == nil && tellsServer(string(text)) {
			return "/" + path
		}
	}
	return ""
}

// tellsServer recognises our hook, and the Python mdserver's, which uses curl.
func tellsServer(text string) bool {
	return strings.Contains(text, "mdserver hook") || strings.Contains(text, "/instance-upload")
}

// knowsSince is when a daemon last looked for hooks: when it started, or was
// reloaded by systemd.
func knowsSince(ctx context.Context, daemon process) (time.Time, error) {
	since, err := daemon.started()
	if err != nil {
		return since, err
	}
	changed, ok := hooks.Changed(unitProperty(ctx, daemon.service(), "StateChangeTimestamp"))
	if end := changed.Add(time.Second); ok && end.After(since) { // of the second that systemd names
		since = end
	}
	return since, nil
}

// reloadLibvirt are the commands that make the daemon look for hooks. A daemon
// that systemd did not start is restarted, which no guest notices.
func reloadLibvirt(h *Host) string {
	daemon, ok := h.libvirt.daemon()
	if !ok || daemon.service() != "" {
		return command("systemctl reload %s", daemonUnit())
	}
	return command("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.1; done; %s --daemon", daemon.pid, daemon.pid, daemon.arguments()[0])
}
