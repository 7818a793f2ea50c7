package dnsmasq

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	dirMode  = 0o755
	fileMode = 0o644 // dnsmasq may run as somebody else; host names are no secret
)

// makeDirs creates what is missing of the directories that dnsmasq needs, and
// sees to it that its user can read them.
func (s Settings) makeDirs() error {
	dirs := []string{s.BaseDir, filepath.Dir(s.dhcpFile()), filepath.Dir(s.dnsFile()), s.dhcpDir(), s.dnsDir(), s.scratch()}
	for _, dir := range append(dirs, s.RunDir) {
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return fmt.Errorf("creating dnsmasq's directory: %w", err)
		}
	}
	if s.account == nil {
		return nil
	}
	for _, dir := range dirs {
		if err := s.account.share(dir); err != nil {
			return err
		}
	}
	if err := s.account.disown(s.RunDir); err != nil {
		return err
	}
	return s.makePidDir()
}

// makePidDir makes the directory where dnsmasq itself writes its pid-file. It
// may write there and nowhere else: the control socket is in run_dir. An
// unprivileged dnsmasq that cannot write the file does without.
func (s Settings) makePidDir() error {
	err := os.MkdirAll(s.pidDir(), dirMode)
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(s.pidDir(), int(s.account.uid), int(s.account.gid))
	}
	if err != nil {
		return fmt.Errorf("making the directory of dnsmasq's pid-file: %w", err)
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
