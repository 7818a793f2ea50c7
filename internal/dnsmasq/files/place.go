// Package files keeps dnsmasq's files on disk as they should be: written whole,
// readable by dnsmasq's user, and written again when others change them. Package
// content decides what they say.
package files

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mdserver/internal/dnsmasq/content"
)

const (
	dirMode = 0o755
	// Mode is that of every file: dnsmasq may run as another user, and host names
	// are not secret.
	Mode = 0o644
)

// Place is where the files of a network's dnsmasq are, and who reads them.
type Place struct {
	content.Settings
	Account *Account // of User; nil if this host has no such user
}

// dirs are the directories of the files that dnsmasq reads.
func (p Place) dirs() []string {
	return []string{p.BaseDir, filepath.Dir(p.DHCPFile()), filepath.Dir(p.DNSFile()), p.DHCPDir(), p.DNSDir(), p.Scratch()}
}

// watchedDirs are those in which dnsmasq notices new files by itself.
func (p Place) watchedDirs() []string { return []string{p.DHCPDir(), p.DNSDir()} }

// MakeDirs creates what is missing of the directories that dnsmasq needs, and
// sees to it that the server can use them and dnsmasq's user can read them.
func (p Place) MakeDirs() error {
	for _, dir := range append(p.dirs(), p.RunDir) {
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return fmt.Errorf("creating dnsmasq's directory: %w", err)
		}
		if err := keepOpen(dir); err != nil {
			return err
		}
	}
	if p.Account == nil {
		return nil
	}
	for _, dir := range p.dirs() {
		if err := p.Account.share(dir); err != nil {
			return err
		}
	}
	if err := p.Account.disown(p.RunDir); err != nil {
		return err
	}
	return p.makePidDir()
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
func (p Place) makePidDir() error {
	err := os.MkdirAll(p.PIDDir(), dirMode)
	if err == nil && os.Geteuid() == 0 {
		err = os.Chown(p.PIDDir(), int(p.Account.UID), int(p.Account.GID))
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
	if err != nil || info.Mode() != Mode || ownerOf(info) != uint32(os.Geteuid()) {
		return false
	}
	text, err := os.ReadFile(path)
	return err == nil && bytes.Equal(text, []byte(content))
}

// write puts a file in place by renaming it out of the scratch directory, which is
// in the same file system and is not watched: dnsmasq never sees half a file.
// durable is for files that are written seldom.
func (p Place) write(path, content string, durable bool) error {
	tmp, err := os.CreateTemp(p.Scratch(), "*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone after the rename
	_, err = tmp.WriteString(content)
	err = errors.Join(err, tmp.Chmod(Mode))
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
func (p Place) takeAway(paths []string) error {
	for _, path := range paths {
		away := filepath.Join(p.Scratch(), filepath.Base(filepath.Dir(path))+"."+filepath.Base(path))
		if err := os.Rename(path, away); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("emptying dnsmasq's directory: %w", err)
		}
	}
	return p.clearScratch()
}

// WatchedFiles are the files in the watched directories.
func (p Place) WatchedFiles() ([]string, error) {
	var paths []string
	for _, dir := range p.watchedDirs() {
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
func (p Place) clearScratch() error {
	files, err := os.ReadDir(p.Scratch())
	if err != nil {
		return fmt.Errorf("emptying the scratch directory: %w", err)
	}
	for _, file := range files {
		if err := os.RemoveAll(filepath.Join(p.Scratch(), file.Name())); err != nil {
			return fmt.Errorf("emptying the scratch directory: %w", err)
		}
	}
	return nil
}
