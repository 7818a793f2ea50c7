package install

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

// noOwner leaves an owner or group as it is.
const noOwner = -1

// tree is the file system below a root directory. Names are absolute paths as
// seen inside the root; no symbolic link leads out of it. In a dry run nothing
// is written.
type tree struct {
	root *os.Root
	base string
	dry  bool
}

func openTree(base string, dry bool) (*tree, error) {
	if base == "" {
		base = "/"
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	return &tree{root, base, dry}, nil
}

func (t *tree) close() { t.root.Close() }

// rel is a path relative to the root. On the running system symbolic links in
// the directories before the last element are followed first, wherever they
// lead: os.Root refuses absolute ones.
func (t *tree) rel(name string) string {
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

// lstat is nil where there is nothing.
func (t *tree) lstat(name string) (fs.FileInfo, error) {
	return missingIsNil(t.root.Lstat(t.rel(name)))
}

// stat follows a link in the last element too.
func (t *tree) stat(name string) (fs.FileInfo, error) {
	if t.base == "/" {
		return missingIsNil(os.Stat(name))
	}
	return missingIsNil(t.root.Stat(t.rel(name)))
}

func missingIsNil(info fs.FileInfo, err error) (fs.FileInfo, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, err
}

func (t *tree) read(name string) ([]byte, error) { return t.root.ReadFile(t.rel(name)) }

// write puts a file in place atomically.
func (t *tree) write(name string, content []byte, mode fs.FileMode, uid, gid int) error {
	if t.dry {
		return nil
	}
	rel := t.rel(name)
	dir, err := t.root.OpenRoot(path.Dir(rel)) // so that the temporary file is beside the new one
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer dir.Close()
	if err := writeIn(dir, path.Base(rel), content, mode, uid, gid); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
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

// mkdir makes a directory and the parents that are missing, and returns what
// it made.
func (t *tree) mkdir(name string, mode fs.FileMode, uid, gid int) (made []string, err error) {
	if info, err := t.stat(name); err != nil || info != nil {
		return nil, err
	}
	if parent := path.Dir(name); parent != name {
		if made, err = t.mkdir(parent, 0o755, noOwner, noOwner); err != nil {
			return made, err
		}
	}
	if t.dry {
		return append(made, name), nil
	}
	rel := t.rel(name)
	if err := t.root.Mkdir(rel, mode.Perm()); err != nil {
		return made, err
	}
	made = append(made, name)
	if err := t.root.Chown(rel, uid, gid); err != nil {
		return made, err
	}
	return made, t.root.Chmod(rel, mode) // regardless of the umask
}

// openDir opens a directory, following a link to it.
func (t *tree) openDir(name string) (*os.Root, error) {
	if t.base == "/" {
		return os.OpenRoot(name)
	}
	return t.root.OpenRoot(t.rel(name))
}

// ownedBy reports whether a file belongs to a user and a group.
func ownedBy(info fs.FileInfo, uid, gid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == uid && int(stat.Gid) == gid
}

// ownerOf is the id of a file's owner.
func ownerOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return noOwner
}

// groupOf is the id of a file's group.
func groupOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Gid)
	}
	return noOwner
}

func hardLinked(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 1
}

func (t *tree) rename(from, to string) error {
	if t.dry {
		return nil
	}
	return t.root.Rename(t.rel(from), t.rel(to))
}

func (t *tree) chmod(name string, mode fs.FileMode) error {
	if t.dry {
		return nil
	}
	return t.root.Chmod(t.rel(name), mode)
}

// removeIfThere removes a file that need not exist.
func (t *tree) removeIfThere(name string) error {
	err := t.remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (t *tree) remove(name string) error {
	if t.dry {
		return nil
	}
	return t.root.Remove(t.rel(name))
}

func (t *tree) removeAll(name string) error {
	if t.dry {
		return nil
	}
	return t.root.RemoveAll(t.rel(name))
}
