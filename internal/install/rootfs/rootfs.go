// Package rootfs is the file system that mdserver is installed into: that below a root
// directory, or that of the running system. Errors name files as the administrator
// does, and a dry run writes nothing.
package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
)

// NoOwner leaves an owner or group as it is.
const NoOwner = -1

// Tree is the file system below a root directory. Names are absolute paths as
// seen inside the root; no symbolic link leads out of it. In a dry run nothing
// is written.
type Tree struct {
	root *os.Root
	base string
	dry  bool
}

// Open opens the file system below base; "" is the running system. In a dry run
// nothing will be written.
func Open(base string, dry bool) (*Tree, error) {
	if base == "" {
		base = "/"
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	return &Tree{root, base, dry}, nil
}

// Close gives the root directory back.
func (t *Tree) Close() { t.root.Close() }

// Base is the path of the root directory, "/" for the running system.
func (t *Tree) Base() string { return t.base }

// rel is a path relative to the root. On the running system symbolic links in
// the directories before the last element are followed first, wherever they
// lead: os.Root refuses absolute ones.
func (t *Tree) rel(name string) string {
	name = path.Clean("/" + name)
	if t.base == "/" && name != "/" {
		name = path.Join(followLinks(path.Dir(name)), path.Base(name))
	}
	if name == "/" {
		return "."
	}
	return strings.TrimPrefix(name, "/")
}

// followLinks resolves as much of a directory's path as exists.
func followLinks(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	if dir == "/" {
		return dir
	}
	return path.Join(followLinks(path.Dir(dir)), path.Base(dir))
}

// named has an error name a file as the administrator does. os.Root names it from
// the root on, without a slash.
func (t *Tree) named(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok { // of a file that replaces another
		err = e.Err
	}
	return &fs.PathError{Op: op, Path: path.Join(t.base, name), Err: err}
}

// Lstat describes a file, and is nil where there is nothing.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	info, err := t.root.Lstat(t.rel(name))
	return missingIsNil(info, t.named("lstat", name, err))
}

// Stat is Lstat, and follows a link in the last element too.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	if t.base == "/" {
		return missingIsNil(os.Stat(name))
	}
	info, err := t.root.Stat(t.rel(name))
	return missingIsNil(info, t.named("stat", name, err))
}

func missingIsNil(info fs.FileInfo, err error) (fs.FileInfo, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, err
}

// Read returns the content of a file.
func (t *Tree) Read(name string) ([]byte, error) {
	content, err := t.root.ReadFile(t.rel(name))
	return content, t.named("read", name, err)
}

// Write puts a file in place atomically. Its directory must exist.
func (t *Tree) Write(name string, content []byte, mode fs.FileMode, uid, gid int) error {
	if t.dry {
		return nil
	}
	rel := t.rel(name)
	dir, err := t.root.OpenRoot(path.Dir(rel)) // so that the temporary file is beside the new one
	if err == nil {
		defer dir.Close()
		err = writeIn(dir, path.Base(rel), content, mode, uid, gid)
	}
	return t.named("write", name, err)
}

func writeIn(dir *os.Root, name string, content []byte, mode fs.FileMode, uid, gid int) error {
	file, err := renameio.NewPendingFile(name, renameio.WithRoot(dir))
	if err != nil {
		return err
	}
	defer file.Cleanup()
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.Chown(uid, gid); err != nil {
		return err
	}
	if err := file.Chmod(mode); err != nil { // after chown, which may clear bits
		return err
	}
	return file.CloseAtomicallyReplace()
}

// Mkdir makes a directory and the parents that are missing, and returns what
// it made.
func (t *Tree) Mkdir(name string, mode fs.FileMode, uid, gid int) (made []string, err error) {
	if info, err := t.Stat(name); err != nil || info != nil {
		return nil, err
	}
	if parent := path.Dir(name); parent != name {
		if made, err = t.Mkdir(parent, 0o755, NoOwner, NoOwner); err != nil {
			return made, err
		}
	}
	if t.dry {
		return append(made, name), nil
	}
	rel := t.rel(name)
	if err := t.root.Mkdir(rel, mode.Perm()); err != nil {
		return made, t.named("mkdir", name, err)
	}
	made = append(made, name)
	if err := t.root.Chown(rel, uid, gid); err != nil {
		return made, t.named("chown", name, err)
	}
	return made, t.Chmod(name, mode) // regardless of the umask
}

// OpenDir opens a directory, following a link to it.
func (t *Tree) OpenDir(name string) (*os.Root, error) {
	if t.base == "/" {
		return os.OpenRoot(name)
	}
	dir, err := t.root.OpenRoot(t.rel(name))
	return dir, t.named("open", name, err)
}

// Rights are whose a file is, and who may do what with it.
type Rights struct {
	UID, GID int
	Mode     fs.FileMode
}

// RightsOf returns the rights of a file of a tree.
func RightsOf(info fs.FileInfo) Rights {
	stat := info.Sys().(*syscall.Stat_t) // as of any file on Linux
	return Rights{int(stat.Uid), int(stat.Gid), info.Mode()}
}

// HardLinked reports whether a file has further names.
func HardLinked(info fs.FileInfo) bool { return info.Sys().(*syscall.Stat_t).Nlink > 1 }

// Rename moves a file. One that is in its new place is replaced.
func (t *Tree) Rename(from, to string) error {
	if t.dry {
		return nil
	}
	err := t.root.Rename(t.rel(from), t.rel(to))
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return &os.LinkError{Op: "rename", Old: path.Join(t.base, from), New: path.Join(t.base, to), Err: e.Err}
	}
	return err
}

// Chmod changes the mode of a file.
func (t *Tree) Chmod(name string, mode fs.FileMode) error {
	if t.dry {
		return nil
	}
	return t.named("chmod", name, t.root.Chmod(t.rel(name), mode))
}

// RemoveIfThere removes a file that need not exist.
func (t *Tree) RemoveIfThere(name string) error {
	err := t.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Remove removes a file or an empty directory.
func (t *Tree) Remove(name string) error {
	if t.dry {
		return nil
	}
	return t.named("remove", name, t.root.Remove(t.rel(name)))
}

// RemoveAll removes a file or a directory with its contents.
func (t *Tree) RemoveAll(name string) error {
	if t.dry {
		return nil
	}
	return t.named("remove", name, t.root.RemoveAll(t.rel(name)))
}
