package host

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"mdserver/internal/doctor/kernel"
	"mdserver/internal/libvirt/hooks"
)

// Hook is the hook of libvirt that calls mdserver.
type Hook struct {
	Denied     bool   // the directory of hooks cannot be read
	Path       string // "" if there is no hook
	Executable bool
	Stops      bool      // it reports guests that stop, as those of earlier versions do not
	Oldest     time.Time // when the oldest hook that can be executed came to be
	Since      time.Time // when the daemon last looked for hooks
	SinceErr   error
}

func (r reader) hook(ctx context.Context, daemon kernel.Process) Hook {
	if _, err := fs.Stat(r.root, hooks.Dir); errors.Is(err, fs.ErrPermission) {
		return Hook{Denied: true}
	}
	var hook Hook
	path, text := r.ourHook()
	if path == "" {
		return hook
	}
	hook.Path, hook.Stops = "/"+path, strings.Contains(text, `"release end"`)
	info, err := fs.Stat(r.root, path)
	hook.Executable = err != nil || info.Mode().Perm()&0o111 != 0
	hook.Oldest = hooks.Oldest(r.root)
	if daemon.PID != 0 {
		hook.Since, hook.SinceErr = r.knowsSince(ctx, daemon)
	}
	return hook
}

// ourHook finds the hook that calls mdserver, and its text.
func (r reader) ourHook() (path, script string) {
	for _, path := range hooks.List(r.root) {
		text, err := fs.ReadFile(r.root, path)
		if err == nil && callsServer(string(text)) {
			return path, string(text)
		}
	}
	return "", ""
}

// callsServer recognises our hook, and the Python mdserver's, which uses curl.
func callsServer(text string) bool {
	return strings.Contains(text, "mdserver hook") || strings.Contains(text, "/instance-upload")
}

// knowsSince is when a daemon last looked for hooks: when it started, or was
// reloaded by systemd.
func (r reader) knowsSince(ctx context.Context, daemon kernel.Process) (time.Time, error) {
	since, err := r.kernel.Started(daemon.PID)
	if err != nil || daemon.Service == "" {
		return since, err
	}
	changed, ok := hooks.Changed(r.system.Property(ctx, daemon.Service, "StateChangeTimestamp"))
	if end := changed.Add(time.Second); ok && end.After(since) { // of the second that systemd names
		since = end
	}
	return since, nil
}
