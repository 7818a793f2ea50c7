package userdata

import (
	"os"
	"syscall"
	"time"
)

// settling is how long a file must be unchanged before its times can be trusted to
// show a later change: the kernel stamps files with a clock that ticks only every
// few milliseconds.
const settling = 100 * time.Millisecond

// fingerprint is the state of a path: two equal ones mean an unchanged file. A
// path without a file has the zero state.
type fingerprint struct {
	path         string
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

func takeFingerprint(path string) fingerprint {
	print := fingerprint{path: path}
	info, err := os.Stat(path)
	if err != nil {
		return print
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		print.dev, print.ino, print.size = uint64(stat.Dev), stat.Ino, stat.Size
		print.mtime, print.ctime = stat.Mtim, stat.Ctim
	}
	return print
}

func takeFingerprints(paths []string) []fingerprint {
	prints := make([]fingerprint, 0, len(paths))
	for _, path := range paths {
		prints = append(prints, takeFingerprint(path))
	}
	return prints
}

func unchanged(prints []fingerprint) bool {
	for _, print := range prints {
		if takeFingerprint(print.path) != print {
			return false
		}
	}
	return true
}

// settled reports whether none of the files changed shortly before now.
func settled(prints []fingerprint, now time.Time) bool {
	for _, print := range prints {
		changed := time.Unix(print.ctime.Unix())
		if now.Sub(changed) < settling {
			return false
		}
	}
	return true
}
