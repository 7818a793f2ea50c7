// Package tree opens files below a directory. A symbolic link may lead out of
// the directory only if root or the user of this process owns it. Other users
// who may write below the directory cannot make the process read other files.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one name may go through, as in Linux.
const maxLinks = 40

// Open opens a regular file or a directory for reading. The name is relative to the
// directory. A ".." in it removes the name before it, even if that is a link. The error
// is fs.ErrNotExist only if nothing has this name; that of a link that leads nowhere,
// for instance, is not.
func Open(dir, name string) (*os.File, error) {
	return open(dir, name, trustedBy(uint32(os.Geteuid())))
}

// trustedBy reports whose links the process of a user follows: root's and the user's own.
func trustedBy(user uint32) func(owner uint32) bool {
	return func(owner uint32) bool { return owner == 0 || owner == user }
}

// OpenPath is Open for a file in any directory.
func OpenPath(path string) (*os.File, error) {
	return Open(filepath.Dir(path), filepath.Base(path))
}

func open(dir, name string, trusted func(uid uint32) bool) (*os.File, error) {
	path := filepath.Join(dir, name)
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, dirError(dir, err)
	}
	w := &walk{at: at, path: path, trusted: trusted}
	defer func() { _ = unix.Close(w.at) }()
	for rest := components(filepath.Clean(name)); len(rest) > 0; {
		target, err := w.step(rest[0])
		if err != nil {
			return nil, err
		}
		rest = append(components(target), rest[1:]...)
	}
	return w.read()
}

// dirError tells a directory that is absent from one that cannot be used.
func dirError(dir string, err error) error {
	if _, there := os.Lstat(dir); there == nil && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is a broken symbolic link", dir)
	}
	return &fs.PathError{Op: "open", Path: dir, Err: err}
}

func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// walk goes through the components of a path one by one, so that it sees each
// symbolic link. It holds each directory open, so that none can be replaced.
type walk struct {
	at       int // the file or directory that it has come to
	path     string
	trusted  func(uid uint32) bool
	depth    int    // of at below the first directory
	links    int    // followed so far
	outside  bool   // it has left the first directory
	doubtful string // the last link of another user that it followed
}

// step goes on to the next component. If this is a link, it goes on to
// where the link's target begins and returns the target.
func (w *walk) step(name string) (target string, err error) {
	fd, err := unix.Openat(w.at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", w.failure(err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		_ = unix.Close(fd)
		return "", w.failure(err)
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFLNK {
		defer func() { _ = unix.Close(fd) }()
		return w.follow(fd, name, stat.Uid)
	}
	w.move(fd)
	w.depth++
	if name == ".." {
		w.depth -= 2
	}
	w.outside = w.outside || w.depth < 0
	return "", w.check()
}

func (w *walk) move(fd int) {
	_ = unix.Close(w.at)
	w.at = fd
}

func (w *walk) follow(link int, name string, owner uint32) (target string, err error) {
	if w.links++; w.links > maxLinks {
		return "", w.failure(unix.ELOOP)
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(link, "", buf)
	if err != nil {
		return "", w.failure(err)
	}
	target = string(buf[:n])
	if !w.trusted(owner) {
		w.doubtful = fmt.Sprintf("%q of user %d", name, owner)
	}
	if filepath.IsAbs(target) {
		root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", w.failure(err)
		}
		w.move(root)
		w.outside = true
	}
	return target, w.check()
}

func (w *walk) check() error {
	if w.outside && w.doubtful != "" {
		return fmt.Errorf("%s: the symbolic link %s is not followed out of the directory, accepted: links of root or of the server's user", w.path, w.doubtful)
	}
	return nil
}

// failure is an error on the way. Without a link on the way, a component that
// is not there means that nothing has the name.
func (w *walk) failure(err error) error {
	absent := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG)
	switch {
	case !absent:
		return &fs.PathError{Op: "open", Path: w.path, Err: err}
	case w.links > 0:
		return fmt.Errorf("%s is a broken symbolic link, or its path contains one", w.path)
	}
	return &fs.PathError{Op: "open", Path: w.path, Err: fs.ErrNotExist}
}

// read opens what the walk has come to.
func (w *walk) read() (*os.File, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(w.at, &stat); err != nil {
		return nil, w.failure(err)
	}
	if kind := stat.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return nil, fmt.Errorf("%s is not a regular file", w.path)
	}
	fd, err := openFile(fmt.Sprintf("/proc/self/fd/%d", w.at))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: w.path, Err: err}
	}
	return os.NewFile(uintptr(fd), w.path), nil
}

// openFile opens a file to read it. A signal of Go's scheduler can interrupt that on
// network file systems; os.Open tries again then, too.
func openFile(path string) (fd int, err error) {
	for {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}
