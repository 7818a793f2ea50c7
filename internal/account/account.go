// Package account answers what another user may do with a file: programs that
// root runs check what the server, which runs as a user of its own, can use.
package account

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Bits of a right, as in a file's mode.
const (
	Read  = 4
	Write = 2
	Enter = 1
)

// Account is a user with its own group.
type Account struct {
	Name     string
	UID, GID uint32
}

// Of returns the account of a user.
func Of(uid uint32) (Account, error) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return Account{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return Account{u.Username, uid, uint32(gid)}, err
}

// OwnerOf returns the account of the user who owns a file.
func OwnerOf(path string) (Account, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Account{}, err
	}
	return Of(info.Sys().(*syscall.Stat_t).Uid)
}

// May reports whether the account has the rights to a file, by its mode.
func (a Account) May(info fs.FileInfo, need fs.FileMode) bool {
	owner := info.Sys().(*syscall.Stat_t)
	return a.Allowed(info.Mode(), owner.Uid, owner.Gid, need)
}

// Allowed reports whether the account has the rights to a file with a mode, an
// owner and a group.
func (a Account) Allowed(mode fs.FileMode, uid, gid uint32, need fs.FileMode) bool {
	if a.UID == 0 {
		return true
	}
	mode = mode.Perm()
	switch {
	case uid == a.UID:
		mode >>= 6
	case gid == a.GID:
		mode >>= 3
	}
	return mode&need == need
}

// File is a file or directory and the rights to it that are needed.
type File struct {
	Path string
	Info fs.FileInfo
	Need fs.FileMode
}

// Unreadable returns what the account cannot read of a directory and of all below
// it, in lexical order. It skips files and whole directories if leftOut is true for
// their names.
func (a Account) Unreadable(dir string, leftOut func(name string) bool) []File {
	var files []File
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case path == dir || !leftOut(entry.Name()):
		case entry.IsDir():
			return fs.SkipDir
		default:
			return nil
		}
		need := fs.FileMode(Read)
		if entry.IsDir() {
			need |= Enter
		}
		if info, err := os.Stat(path); err == nil && !a.May(info, need) {
			files = append(files, File{path, info, need})
		}
		return nil
	})
	return files
}
