package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Where libvirt looks for hooks of its qemu driver.
const (
	hookFile = "/etc/libvirt/hooks/qemu"
	hookDir  = "/etc/libvirt/hooks/qemu.d"
)

// startSlack covers that the kernel tells a process's start roughly, and that a
// daemon looks for hooks a moment after it.
const startSlack = time.Second

func checkHook(ctx context.Context, h *Host) []Finding {
	if _, err := os.Stat(hookDir); errors.Is(err, fs.ErrPermission) {
		return []Finding{unknown("%s: only root may look there", hookDir)}
	}
	ours, oldest := hooks()
	if ours == "" {
		return []Finding{wrong("libvirt has no hook that tells mdserver of guests").mend("mdserver install", reloadLibvirt(h))}
	}
	if info, err := os.Stat(ours); err == nil && info.Mode().Perm()&0o111 == 0 {
		return []Finding{wrong("the hook %s cannot be executed", ours).mend(command("chmod 755 %s", ours), reloadLibvirt(h))}
	}
	daemon, found := h.libvirt.daemon()
	if !found {
		return []Finding{unknown("%s is there; no libvirt daemon runs that could know it", ours)}
	}
	since, err := knowsSince(ctx, daemon)
	if err != nil {
		return []Finding{unknown("%s is there; since when %s runs: %v", ours, daemon, err)}
	}
	if oldest.After(since.Add(startSlack)) {
		return []Finding{wrong("%s has run since %s and looks for hooks only when it starts or reloads; the hook is of %s",
			daemon, since.Format(time.DateTime), oldest.Format(time.DateTime)).mend(reloadLibvirt(h))}
	}
	return []Finding{fine("%s is there, and %s knows it", ours, daemon)}
}

// hooks finds the hook that calls mdserver, and the age of the oldest of all:
// if there was one when the daemon started, it asks for all of them.
func hooks() (ours string, oldest time.Time) {
	files, _ := filepath.Glob(hookDir + "/*")
	for _, file := range append(files, hookFile) {
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if placed := placedAt(info); oldest.IsZero() || placed.Before(oldest) {
			oldest = placed
		}
		text, err := os.ReadFile(file)
		if ours == "" && err == nil && tellsServer(string(text)) {
			ours = file
		}
	}
	return ours, oldest
}

// tellsServer recognises our hook, and the original's, which uses curl.
func tellsServer(text string) bool {
	return strings.Contains(text, "mdserver hook") || strings.Contains(text, "/instance-upload")
}

// placedAt is when a file came to be as it is where it is: a copy may have
// kept an older time of modification.
func placedAt(info fs.FileInfo) time.Time {
	changed := info.Sys().(*syscall.Stat_t).Ctim
	return time.Unix(changed.Unix())
}

// knowsSince is when a daemon last looked for hooks: when it started, or was
// reloaded by systemd.
func knowsSince(ctx context.Context, daemon process) (time.Time, error) {
	since, err := daemon.started()
	if err != nil {
		return since, err
	}
	if reloaded, ok := reloadTime(unitProperty(ctx, daemon.service(), "StateChangeTimestamp")); ok && reloaded.After(since) {
		since = reloaded
	}
	return since, nil
}

// reloadTime reads "Tue 2026-11-24 10:00:00 UTC", when a unit last changed its
// state: a service that is active does so when a reload ends. systemd forgets
// the time of ExecReload at each daemon-reload, and keeps this one.
func reloadTime(text string) (time.Time, bool) {
	at, err := time.ParseInLocation("Mon 2006-01-02 15:04:05 MST", text, time.Local)
	return at.Add(time.Second), err == nil
}

// reloadLibvirt is how the daemon is made to look for hooks. One that systemd
// did not start is started anew, which no guest notices.
func reloadLibvirt(h *Host) string {
	daemon, ok := h.libvirt.daemon()
	if !ok || daemon.service() != "" {
		return command("systemctl reload %s", daemonUnit())
	}
	return command("kill %s; while kill -0 %s 2>/dev/null; do sleep 0.1; done; %s --daemon", daemon.pid, daemon.pid, daemon.arguments()[0])
}
