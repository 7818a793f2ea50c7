package stpl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"mdserver/internal/stpl/object"
	"mdserver/internal/tree"
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

// find reads a file below one of the roots: no absolute path, no "..", nothing
// but a regular file. Links may lead out of a root as package tree says. A file
// that is there but cannot be read is an error.
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

// readBelow reads a file. A directory counts as absent: a file with a suffix
// may stand beside it.
func readBelow(dir, name string) ([]byte, error) {
	f, err := tree.Open(dir, name)
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
	case info.Size() > maxTemplate:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxTemplate)
	}
	return io.ReadAll(io.LimitReader(f, maxTemplate))
}
