package stpl

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"mdserver/internal/stpl/object"
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

// find reads a file below one of the roots: no absolute path, no "..", no
// symbolic link that leads out, nothing but a regular file.
func (e *Engine) find(t *object.Thread, name string) (path, text string, err error) {
	if len(name) > maxName {
		return "", "", object.Raise(object.TemplateError, "Template '%.100s…' not found.", name)
	}
	for _, dir := range e.opts.Roots {
		for _, suffix := range suffixes {
			if err := t.Step(openSteps); err != nil {
				return "", "", err
			}
			data, err := readBelow(dir, name+suffix)
			if err == nil {
				return filepath.Join(dir, name+suffix), string(data), nil
			}
		}
	}
	return "", "", object.Raise(object.TemplateError, "Template '%s' not found.", name)
}

// readBelow opens without waiting, for a pipe has no end.
func readBelow(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case info.Size() > maxTemplate:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxTemplate)
	}
	return io.ReadAll(io.LimitReader(f, maxTemplate))
}
