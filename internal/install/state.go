package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"mdserver/internal/counted"
	"mdserver/internal/install/rootfs"
)

// sharedDir is below the state directory and is what dnsmasq's user may read.
const sharedDir = "dnsmasq"

// takeOverState gives what lies in the state directory to mdserver's user, as the
// Python mdserver wrote it as root, and lets dnsmasq's user read what is written
// for it, and nothing else.
func (j *job) takeOverState() error {
	uid, gid := j.owners(true, true)
	if uid == rootfs.NoOwner || gid == rootfs.NoOwner {
		return nil
	}
	dir, err := j.tree.OpenDir(stateDir)
	if errors.Is(err, fs.ErrNotExist) { // a dry run has not made it
		return nil
	}
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	defer dir.Close()
	changed := 0
	err = fs.WalkDir(dir.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !entry.IsDir() && rootfs.HardLinked(info) {
			return nil // another name of the file may be anywhere
		}
		done, err := j.settle(dir, name, info)
		if done {
			changed++
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("give %s to %s: %w", stateDir, j.User, err)
	}
	if changed > 0 {
		j.report.add(Done, stateDir+"/", fmt.Sprintf("gave %s to %s", counted.Of(changed, "file or directory", "files and directories"), j.User))
	}
	return nil
}

// settle gives one file its owner and its mode, and reports whether it had
// others.
func (j *job) settle(dir *os.Root, name string, info fs.FileInfo) (changed bool, err error) {
	want := j.stateRights(name, info.Mode())
	if want == rootfs.RightsOf(info) {
		return false, nil
	}
	if j.DryRun {
		return true, nil
	}
	if err := dir.Lchown(name, want.UID, want.GID); err != nil {
		return true, err
	}
	if !want.Mode.IsRegular() && !want.Mode.IsDir() {
		return true, nil
	}
	return true, dir.Chmod(name, want.Mode) // after chown, which may clear bits
}

// stateRights returns the rights that a file of the state directory will get. What
// is not dnsmasq's loses the rights of everybody: the state directory itself can be
// passed through.
func (j *job) stateRights(name string, mode fs.FileMode) rootfs.Rights {
	want := rootfs.Rights{Mode: mode}
	want.UID, want.GID = j.owners(true, true)
	shared := j.dnsmasq.gid != rootfs.NoOwner && (name == sharedDir || strings.HasPrefix(name, sharedDir+"/"))
	if shared {
		want.GID = j.dnsmasq.gid
	}
	switch {
	case !mode.IsRegular() && !mode.IsDir():
	case shared && mode.IsDir():
		want.Mode = fs.ModeDir | fs.ModeSetgid | 0o750 // for what will be made in it
	case shared:
		want.Mode |= 0o040
	case name == ".":
		want.Mode = mode&^0o007 | 0o001
	default:
		want.Mode &^= 0o007
	}
	return want
}
