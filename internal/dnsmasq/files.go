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
	fileMode = 0o644 // dnsmasq may run as another user; host names are not secret
)

// dirs are the directories of the files that dnsmasq reads.
func (s host) dirs() []string {
	return []string{s.BaseDir, filepath.Dir(s.DHCPFile()), filepath.Dir(s.DNSFile()), s.DHCPDir(), s.DNSDir(), s.Scratch()}
}

// watchedDirs are those in which dnsmasq notices new files by itself.
func (s host) watchedDirs() []string { return []string{s.DHCPDir(), s.DNSDir()} }

// makeDirs creates what is missing of the directories that dnsmasq needs, and
// sees to it that the server can use them and dnsmasq's user can read them.
func (s host) makeDirs() error {
	for _, dir := range append(s.dirs(), s.RunDir) {
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return fmt.Errorf("creating dnsmasq's directory: %w", err)
		}
		if err := keepOpen(dir); err != nil {
			return err
		}
	}
	if s.account == nil {
		return nil
	}
	for _, dir := range s.dirs() {
		if err := s.account.share(dir); err != nil {
			return err
		}
	}
	if err := s.account.disown(s.RunDir); err != nil {
		return err
	}
	return s.makePidDir()
}

// keepOpen gives the server its own rights on a directory back.
func keepOpen(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("looking at dnsmasq's directory: %w", err)
	}
	const own = 0o700
	if ownerOf(info) != uint32(os.Geteuid()) || info.Mode()&own == own {
		return nil
	}
	if err := os.Chmod(dir, info.Mode()|own); err != nil {
		return fmt.Errorf("opening dnsmasq's directory: %w", err)
	}
	return nil
}

// makePidDir makes the directory where dnsmasq itself writes its pid-file. It
// may write there and nowhere else: the control socket is in run_dir. An
// unprivileged dnsmasq that cannot write the file does without.
func (s host) makePidDir() error {
	err := os.MkdirAll(s.PIDDir(), dirMode)
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(s.PIDDir(), int(s.account.uid), int(s.account.gid))
	}
	if err != nil {
		return fmt.Errorf("making the directory of dnsmasq's pid-file: %w", err)
	}
	return nil
}

// holds reports whether a file has the given content, and the owner and mode of
// files that the server creates.
func holds(path, content string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fileMode || ownerOf(info) != uint32(os.Geteuid()) {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && bytes.Equal(text, []byte(content))
}

// write puts a file in place by renaming it out of the scratch directory, which is
// in the same file system and is not watched: dnsmasq never sees half a file.
// durable is for files that are written seldom.
func (s host) write(path, content string, durable bool) error {
	tmp, err := os.CreateTemp(s.Scratch(), "*")
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

// takeAway removes files from the watched directories. They are moved out first
// and then removed, because dnsmasq does not notice the move: for each file that
// is removed from a watched directory, it would search its whole cache.
func (s host) takeAway(paths []string) error {
	for _, path := range paths {
		away := filepath.Join(s.Scratch(), filepath.Base(filepath.Dir(path))+"."+filepath.Base(path))
		if err := os.Rename(path, away); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("emptying dnsmasq's directory: %w", err)
		}
	}
	return s.clearScratch()
}

// watchedFiles are the files in the watched directories.
func (s host) watchedFiles() ([]string, error) {
	var paths []string
	for _, dir := range s.watchedDirs() {
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("reading dnsmasq's directory: %w", err)
		}
		for _, file := range files {
			paths = append(paths, filepath.Join(dir, file.Name()))
		}
	}
	return paths, nil
}

// clearScratch removes what a killed mdserver may have left.
func (s host) clearScratch() error {
	files, err := os.ReadDir(s.Scratch())
	if err != nil {
		return fmt.Errorf("emptying the scratch directory: %w", err)
	}
	for _, file := range files {
		if err := os.RemoveAll(filepath.Join(s.Scratch(), file.Name())); err != nil {
			return fmt.Errorf("emptying the scratch directory: %w", err)
		}
	}
	return nil
}
