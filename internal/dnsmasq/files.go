package dnsmasq

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

const (
	dirMode  = 0o755
	fileMode = 0o644 // dnsmasq may run as somebody else; host names are no secret
)

// makeDirs creates what is missing of the directories that dnsmasq needs.
// Those that mdserver creates as root belong to dnsmasq's user: it removes
// its own pid-file.
func (s Settings) makeDirs() error {
	for _, dir := range []string{s.BaseDir, s.RunDir} {
		if err := s.makeOwned(dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{filepath.Dir(s.dhcpFile()), filepath.Dir(s.dnsFile()), s.dhcpDir(), s.dnsDir(), s.scratch()} {
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return fmt.Errorf("creating dnsmasq's directory: %w", err)
		}
	}
	return nil
}

func (s Settings) makeOwned(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("creating dnsmasq's directory: %w", err)
	}
	if os.Geteuid() != 0 || s.User == "" {
		return nil
	}
	owner, err := user.Lookup(s.User)
	if err != nil {
		return nil // dnsmasq itself refuses an unknown user, and says so
	}
	uid, errUID := strconv.Atoi(owner.Uid)
	gid, errGID := strconv.Atoi(owner.Gid)
	if err := errors.Join(errUID, errGID); err != nil {
		return fmt.Errorf("reading the ids of user %s: %w", s.User, err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return fmt.Errorf("giving %s to dnsmasq's user: %w", dir, err)
	}
	return nil
}

// writeChanged replaces a file as one step, if its content is another. It
// reports whether it did.
func (s Settings) writeChanged(path, content string) (bool, error) {
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, []byte(content)) {
		return false, nil
	}
	return true, s.write(path, content, true)
}

// write puts a file in place by renaming it out of the scratch directory,
// which lies in the same file system and is watched by nobody: dnsmasq never
// sees half a file. durable is for files that are written seldom.
func (s Settings) write(path, content string, durable bool) error {
	tmp, err := os.CreateTemp(s.scratch(), "*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone after the rename
	_, err = tmp.WriteString(content)
	err = errors.Join(err, tmp.Chmod(fileMode))
	if durable {
		err = errors.Join(err, tmp.Sync())
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// clearWatched empties the watched directories. The files are moved out
// first and then removed, because dnsmasq is not told of the move: for each
// file that is removed under its eyes it would search its whole cache.
func (s Settings) clearWatched() error {
	for _, dir := range []string{s.dhcpDir(), s.dnsDir()} {
		files, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("emptying dnsmasq's directory: %w", err)
		}
		for _, file := range files {
			away := filepath.Join(s.scratch(), filepath.Base(dir)+"."+file.Name())
			if err := os.Rename(filepath.Join(dir, file.Name()), away); err != nil {
				return fmt.Errorf("emptying dnsmasq's directory: %w", err)
			}
		}
	}
	return s.clearScratch()
}

// clearScratch removes what a killed mdserver may have left.
func (s Settings) clearScratch() error {
	files, err := os.ReadDir(s.scratch())
	if err != nil {
		return fmt.Errorf("emptying the scratch directory: %w", err)
	}
	for _, file := range files {
		err := os.Remove(filepath.Join(s.scratch(), file.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("emptying the scratch directory: %w", err)
		}
	}
	return nil
}
