package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mdserver/internal/account"
	"mdserver/internal/config"
)

// File is a file or directory, and who may use it.
type File struct {
	Path     string
	Err      error // why the rest is not known
	Mode     fs.FileMode
	UID, GID uint32
	Owner    string // name of the user
	Group    string // its name
}

func statFile(path string) File {
	info, err := os.Stat(path)
	if err != nil {
		return File{Path: path, Err: err}
	}
	return fileOf(path, info)
}

func fileOf(path string, info fs.FileInfo) File {
	stat := info.Sys().(*syscall.Stat_t)
	return File{Path: path, Mode: info.Mode(), UID: stat.Uid, GID: stat.Gid, Owner: userName(stat.Uid), Group: groupName(stat.Gid)}
}

// Rights tells who may use the file.
func (f File) Rights() string { return fmt.Sprintf("owned by %s with mode %v", f.Owner, f.Mode) }

// Needed is a file and the rights to it that the server needs, in the bits of
// package account.
type Needed struct {
	File
	Parent File // the directory that has it
	Need   fs.FileMode
}

// Files are the files and directories that the server uses.
type Files struct {
	Used       []Needed // by their keys in the configuration
	Unreadable []Needed // what the server cannot read below its directory of user-data
	Secret     []File   // files with secrets
}

// allRights are what a directory of the server's own needs.
const allRights = account.Read | account.Write | account.Enter

func readFiles(configFile string, cfg *config.Config, who Account) Files {
	var f Files
	database, identity := cfg.Server.Database, cfg.Server.Identity
	for _, used := range []struct {
		path string
		need fs.FileMode
	}{
		{filepath.Dir(database), allRights},
		{database, account.Read | account.Write},
		{identity, account.Read},
		{cfg.Dnsmasq.BaseDir, allRights},
		{cfg.Dnsmasq.RunDir, allRights},
		{cfg.Server.UserdataDir, account.Read | account.Enter},
		{cfg.Server.DefaultTemplate, account.Read},
		{configFile, account.Read},
	} {
		if used.path != "" {
			f.Used = append(f.Used, Needed{statFile(used.path), statFile(filepath.Dir(used.path)), used.need})
		}
	}
	if who.Err == nil {
		f.Unreadable = unreadable(who.Account, cfg.Server.UserdataDir)
	}
	f.Secret = []File{statFile(database), statFile(identity)}
	return f
}

// unreadable finds what an account cannot read below a directory, such as a file
// that root has copied there.
func unreadable(who account.Account, dir string) []Needed {
	hidden := func(name string) bool { return strings.HasPrefix(name, ".") }
	var all []Needed
	for _, file := range who.Unreadable(dir, hidden) {
		if file.Path != dir {
			all = append(all, Needed{File: fileOf(file.Path, file.Info), Need: file.Need})
		}
	}
	return all
}
