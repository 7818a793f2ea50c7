package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"mdserver/internal/install/rootfs"
)

const (
	newSuffix      = ".new"
	originalSuffix = ".orig-mdserver"
)

func (j *job) placeAll(plan []item) error {
	for _, it := range plan {
		if err := j.place(it); err != nil {
			return err
		}
	}
	return nil
}

// place puts one file where it belongs, or beside it where the administrator's
// own is.
func (j *job) place(it item) error {
	last, listed := j.manifest.Files[it.path]
	info, err := j.tree.Lstat(it.path)
	switch {
	case err != nil:
		return err
	case info == nil && listed && it.policy == example:
		j.report.add(Skipped, it.path, "you deleted it")
		return nil
	case info == nil:
		return j.put(it, it.path, Created, "")
	case !info.Mode().IsRegular():
		return j.keep(it, last, fmt.Sprintf("it is a %s", kindOf(info.Mode())))
	}

	current, err := j.tree.Read(it.path)
	if err != nil {
		return err
	}
	switch have := sum(current); {
	case have == sum(it.content):
		j.list(it, it.path)
		j.report.add(Unchanged, it.path, "")
		return nil
	case listed && have == last.SHA256:
		return j.put(it, it.path, Replaced, "an older version")
	case it.original != nil && it.original(current):
		return j.setAside(it)
	case isOurProgram(current):
		return j.put(it, it.path, Replaced, "another build of mdserver")
	case listed:
		return j.keep(it, last, "you changed it")
	}
	return j.keep(it, last, "it was there before")
}

// list notes a version of a file as the one that was installed last.
func (j *job) list(it item, path string) {
	j.manifest.Files[path] = file{SHA256: sum(it.content), Config: it.policy != owned}
}

// put writes a file, and lists it once it is there.
func (j *job) put(it item, path string, action Action, note string) error {
	uid, gid := j.owners(false, it.group)
	if err := j.tree.Write(path, it.content, it.mode, uid, gid); err != nil {
		return err
	}
	j.list(it, path)
	j.report.add(action, path, note)
	return nil
}

// keep keeps a file. The new version goes beside it unless the same one was
// offered the last time.
func (j *job) keep(it item, last file, why string) error {
	if it.policy == example || last.SHA256 == sum(it.content) {
		j.list(it, it.path)
		j.report.add(Kept, it.path, why)
		return nil
	}
	path := it.path + newSuffix
	j.report.add(Kept, it.path, why+"; the new version is in "+path)
	info, err := j.tree.Lstat(path)
	switch {
	case err != nil:
		return err
	case info != nil && !info.Mode().IsRegular():
		j.report.add(Skipped, path, fmt.Sprintf("it is a %s", kindOf(info.Mode())))
	default:
		beside := it
		beside.policy = owned // goes with Uninstall
		if err := j.put(beside, path, Created, ""); err != nil {
			return err
		}
	}
	j.list(it, it.path)
	return nil
}

// setAside moves a file of the Python mdserver away and installs mdserver's.
func (j *job) setAside(it item) error {
	backup := it.path + originalSuffix
	if info, err := j.tree.Lstat(backup); err != nil {
		return err
	} else if info != nil {
		return j.keep(it, file{}, backup+" exists already")
	}
	if err := j.tree.Rename(it.path, backup); err != nil {
		return fmt.Errorf("rename the Python mdserver's file: %w", err)
	}
	if err := j.put(it, it.path, Replaced, "the Python mdserver's is now "+backup); err != nil {
		return errors.Join(err, j.tree.Rename(backup, it.path)) // so that it goes on working
	}
	return nil
}

// removeUnchanged removes a file if it still is what we installed, and reports
// whether nothing is in its place then.
func (j *job) removeUnchanged(path, why string) (gone bool, err error) {
	info, err := j.tree.Lstat(path)
	if err != nil || info == nil {
		return err == nil, err
	}
	if !info.Mode().IsRegular() {
		j.report.add(Kept, path, fmt.Sprintf("it is a %s", kindOf(info.Mode())))
		return false, nil
	}
	current, err := j.tree.Read(path)
	if err != nil {
		return false, err
	}
	if sum(current) != j.manifest.Files[path].SHA256 {
		j.report.add(Kept, path, "it was changed after the installation")
		return false, nil
	}
	if err := j.tree.Remove(path); err != nil {
		return false, err
	}
	j.report.add(Removed, path, why)
	return true, nil
}

func (j *job) ensureDirectories() error {
	for _, d := range j.directories() {
		if err := j.ensureDirectory(d); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) ensureDirectory(d directory) error {
	uid, gid := j.owners(d.user, d.group)
	made, err := j.tree.Mkdir(d.path, d.mode, uid, gid)
	j.manifest.made(made)
	for _, path := range made {
		if j.report.has(path + "/") {
			continue // a dry run makes a parent for each of its children
		}
		j.report.add(Created, path+"/", "")
	}
	if err == nil {
		err = j.inheritGroup(d)
	}
	if err != nil {
		return fmt.Errorf("make directory %s: %w", d.path, err)
	}
	return nil
}

// inheritGroup sets the set-group-ID bit of a directory that was there before,
// if the server's group has it.
func (j *job) inheritGroup(d directory) error {
	if d.mode&fs.ModeSetgid == 0 || j.account.gid == rootfs.NoOwner {
		return nil
	}
	info, err := j.tree.Lstat(d.path)
	if err != nil || info == nil || !info.IsDir() || info.Mode()&fs.ModeSetgid != 0 || rootfs.RightsOf(info).GID != j.account.gid {
		return err
	}
	j.report.add(Done, "chmod g+s "+d.path, "new files in it belong to the group "+j.User)
	return j.tree.Chmod(d.path, info.Mode()|fs.ModeSetgid)
}

// libvirtState is where libvirt notes the MAC addresses of the guests on each of
// its networks, even one without DHCP and DNS. libvirt makes the directory only
// when a network with dnsmasq starts.
const libvirtState = "/var/lib/libvirt/dnsmasq"

// ensureLibvirtState makes libvirt's directory on a host that has libvirt. It
// is libvirt's, and stays when mdserver goes.
func (j *job) ensureLibvirtState() error {
	if !j.has(path.Dir(libvirtState)) {
		return nil
	}
	made, err := j.tree.Mkdir(libvirtState, 0o755, rootfs.NoOwner, rootfs.NoOwner)
	for _, dir := range made {
		j.report.add(Created, dir+"/", "libvirt cannot start guests on its networks without it")
	}
	if err != nil {
		return fmt.Errorf("make directory %s: %w", libvirtState, err)
	}
	return nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode.IsDir():
		return "directory"
	}
	return "special file"
}
