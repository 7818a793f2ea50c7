package userdata

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// settling is how long a file must be unchanged before its times can be trusted to
// show a later change: the kernel stamps files with a clock that ticks only every
// few milliseconds.
const settling = 100 * time.Millisecond

// fingerprint is the state of a path: two equal ones mean that a search finds the same
// file there, unchanged, or as before none, or a symbolic link that leads nowhere.
type fingerprint struct {
	path    string
	missing int   // how many components, from the last one, do not exist
	link    inode // if the path, or what of it exists, ends in a symbolic link
	file    inode // where the path leads; zero if that is nowhere
}

// inode is the state of a file, a directory or a symbolic link.
type inode struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

func takeFingerprint(path string) fingerprint {
	print := fingerprint{path: path}
	info, err := os.Lstat(path)
	for ; err != nil && path != filepath.Dir(path); print.missing++ {
		path = filepath.Dir(path)
		info, err = os.Lstat(path)
	}
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		print.link = inodeOf(info)
		info, err = os.Stat(path)
	}
	if err == nil && print.missing == 0 {
		print.file = inodeOf(info)
	}
	return print
}

func inodeOf(info fs.FileInfo) inode {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}
	}
	return inode{uint64(stat.Dev), stat.Ino, stat.Size, stat.Mtim, stat.Ctim}
}

func unchanged(prints []fingerprint) bool {
	for _, print := range prints {
		if takeFingerprint(print.path) != print {
			return false
		}
	}
	return true
}

// settled reports whether none of the files has changed shortly before a time, or
// after it.
func settled(prints []fingerprint, at time.Time) bool {
	for _, print := range prints {
		for _, node := range []inode{print.link, print.file} {
			if at.Sub(time.Unix(node.ctime.Unix())) < settling {
				return false
			}
		}
	}
	return true
}
