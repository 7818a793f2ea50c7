// Package hooks finds the hooks of libvirt's qemu driver, and tells since when a
// daemon knows them. A daemon looks for hooks only when it starts or reloads;
// see https://libvirt.org/hooks.html.
package hooks

import (
	"io/fs"
	"syscall"
	"time"
)

// Where libvirt looks for the hooks, below the root directory.
const (
	File = "etc/libvirt/hooks/qemu"
	Dir  = "etc/libvirt/hooks/qemu.d"
)

// List returns the paths of all hooks.
func List(root fs.FS) []string {
	all, _ := fs.Glob(root, Dir+"/*") // fails for a bad pattern only
	regular := all[:0]
	for _, path := range append(all, File) {
		if info, err := fs.Stat(root, path); err == nil && info.Mode().IsRegular() {
			regular = append(regular, path)
		}
	}
	return regular
}

// Oldest returns when the oldest hook came to be that can be executed, or the
// zero time if there is none. A daemon that found one hook when it looked runs
// the later ones too.
func Oldest(root fs.FS) time.Time {
	var oldest time.Time
	for _, path := range List(root) {
		info, err := fs.Stat(root, path)
		if err != nil || info.Mode().Perm()&0o111 == 0 {
			continue
		}
		if placed := placedAt(info); oldest.IsZero() || placed.Before(oldest) {
			oldest = placed
		}
	}
	return oldest
}

// placedAt is when a file came to be as it is where it is: a copy may have kept
// an older time of modification.
func placedAt(info fs.FileInfo) time.Time {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.ModTime()
	}
	return time.Unix(stat.Ctim.Unix())
}

// Changed reads the property StateChangeTimestamp of a systemd unit, such as "Tue
// 2026-11-24 10:00:00 UTC": the second in which the unit started, or in which its
// latest reload ended. systemd forgets the time of ExecReload at each daemon-reload,
// and keeps this one.
func Changed(text string) (time.Time, bool) {
	at, err := time.ParseInLocation("Mon 2006-01-02 15:04:05 MST", text, time.Local)
	return at, err == nil
}
