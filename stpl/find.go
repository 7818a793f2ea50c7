package stpl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mdserver/stpl/internal/object"
)

// maxTemplate is the size in bytes of an included file that is still read.
const maxTemplate = 4 << 20

const (
	// maxName is the longest name that is looked for, in bytes.
	maxName = 1024
	// openSteps is charged for looking for a file.
	openSteps = 50
)

// suffixes are tried in turn after the name as it is; all but the last are
// bottle's.
var suffixes = []string{"", ".tpl", ".html", ".thtml", ".stpl", ".yaml"}

// find reads a file below one of the roots: no absolute path, none that leads out of
// the root, nothing but a regular file. A file that is there but cannot be read is an
// error.
func (r *render) find(name string) (path, text string, err error) {
	if len(name) > maxName {
		return "", "", object.Raise(object.TemplateError, "Template '%.100s…' not found.", name)
	}
	for _, dir := range r.engine.opts.Roots {
		for _, suffix := range suffixes {
			if err := r.thread.Step(openSteps); err != nil {
				return "", "", err
			}
			data, err := r.engine.read(dir, name+suffix, r.look)
			switch {
			case err == nil:
				return filepath.Join(dir, name+suffix), string(data), nil
			case !errors.Is(err, fs.ErrNotExist):
				return "", "", object.Raise(object.TemplateError, "Template '%s' cannot be read: %v", name, err)
			}
		}
	}
	return "", "", object.Raise(object.TemplateError, "Template '%s' not found.", name)
}

// read reads a file below a root. A directory counts as absent: a file with a
// suffix may stand beside it. look is called as RenderWithin says.
func (e *Engine) read(dir, name string, look func(path string)) ([]byte, error) {
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) {
		return nil, fs.ErrNotExist
	}
	path := filepath.Join(dir, name)
	look(filepath.Dir(path))
	f, err := e.opts.Open(dir, filepath.Clean(name))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		look(path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fs.ErrNotExist
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxTemplate:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxTemplate)
	}
	return io.ReadAll(io.LimitReader(f, maxTemplate))
}

// look reports a path on which the choice of an included file depends, once.
func (r *render) look(path string) {
	if r.looked == nil || r.seen[path] {
		return
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[path] = true
	r.looked(path)
}

// openInRoot opens a file below a directory, without following links out of
// it. O_NONBLOCK keeps a named pipe from holding up the render.
func openInRoot(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, there := root.Lstat(name); there == nil {
			return nil, fmt.Errorf("%s is a broken symbolic link", filepath.Join(dir, name))
		}
	}
	return f, err
}
