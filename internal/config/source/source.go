// Package source reads mdserver.conf and the files that it includes: their sections
// in the order in which they count, each with its place. It knows no keys but those
// of [_include_].
package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mdserver/internal/config/ini"
	"mdserver/internal/config/kind"
)

const maxFile = 4 << 20 // length of a configuration file

// IncludeSection is the section that names further files.
const IncludeSection = "_include_"

// Files is all that was read.
type Files struct {
	Parts []Part   // in the order in which they count; none if the main file cannot be read
	Paths []string // of the files, in that order, with those that cannot be read

	Directories []Directory
	Included    []string // single files that were included
	Problems    []*Problem
}

// Part is a file, a warning about one that is left out, or a note. The other fields
// are nil.
type Part struct {
	File    *File
	Warning *Warning
	Note    *Note
}

// File is a file that was read.
type File struct {
	Path     string
	Included bool // false for the main file
	Sections []*ini.Section
}

// Note is what the Python mdserver noted of the files: the main file, those of each
// directory, and the single ones.
type Note struct{ Name, Text string }

// Directory is one directory of [_include_] directories and the files in it
// that were read, by name.
type Directory struct {
	Path  string
	Names []string
}

// Read reads a file and what it includes.
func Read(path string) *Files {
	f := &Files{}
	if main := f.read(path, false); main != nil {
		f.note("main", path)
		f.include(main)
	}
	return f
}

// read takes in one file, and returns nil if it cannot be read at all.
func (f *Files) read(path string, included bool) *File {
	f.Paths = append(f.Paths, path)
	text, err := readText(path)
	if err != nil {
		f.unreadable(path, err)
		return nil
	}
	content, errs := ini.Parse(text)
	for _, e := range errs {
		f.Problems = append(f.Problems, syntaxProblem(path, e))
	}
	file := &File{Path: path, Included: included, Sections: content.Sections}
	f.Parts = append(f.Parts, Part{File: file})
	return file
}

// unreadable reports a file by an error that does not repeat its path.
func (f *Files) unreadable(path string, err error) {
	f.Problems = append(f.Problems, &Problem{File: path, Reason: err.Error(), Err: err})
}

func (f *Files) note(name, text string) {
	f.Parts = append(f.Parts, Part{Note: &Note{name, text}})
}

func readText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", bare(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", bare(err)
	case len(text) > maxFile:
		return "", errors.New("longer than 4 MiB, the limit for a configuration")
	case bytes.IndexByte(text, 0) >= 0:
		return "", errors.New("not a text file: it contains zero bytes")
	}
	return string(text), nil
}

// bare drops the path of a file error: the message names it already.
func bare(err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("cannot %s the file: %w", pathErr.Op, pathErr.Err)
	}
	return err
}

// include reads what [_include_] names.
func (f *Files) include(main *File) {
	for _, dir := range main.list("directories") {
		f.directory(main.Path, dir)
	}
	for _, name := range main.list("files") {
		if !f.exists(main.Path, name, os.FileMode.IsRegular, "file") {
			continue
		}
		name = absolute(name)
		f.read(name, true)
		f.Included = append(f.Included, name)
	}
	f.note("files", strings.Join(f.Included, ","))
}

// list splits the value of a key that names files. The last one counts.
func (f *File) list(key string) []string {
	text := ""
	for _, s := range f.Sections {
		for _, e := range s.Entries {
			if s.Name == IncludeSection && e.Key == key {
				text = e.Value
			}
		}
	}
	list, _ := kind.Paths.Parse(kind.Unquote(text)) // the key's own row reports what is wrong
	return list
}

// directory reads the *.conf files of one directory by name.
func (f *Files) directory(main, dir string) {
	if !f.exists(main, dir, os.FileMode.IsDir, "directory") {
		return
	}
	dir = absolute(dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.unreadable(dir, bare(err))
		return
	}
	var names []string
	for _, e := range entries { // sorted by name
		name := e.Name()
		if !strings.HasSuffix(name, ".conf") || strings.HasPrefix(name, ".") {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			names = append(names, name)
			f.read(filepath.Join(dir, name), true)
		}
	}
	f.Directories = append(f.Directories, Directory{Path: dir, Names: names})
	f.note(dir, strings.Join(names, ","))
}

// exists ignores a path that does not exist, as the Python mdserver did, with a
// remark.
func (f *Files) exists(main, path string, is func(os.FileMode) bool, what string) bool {
	w := Warning{File: main, Key: IncludeSection}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		w.Level, w.Text = slog.LevelDebug, fmt.Sprintf("%s does not exist and is ignored", path)
	case err != nil:
		f.unreadable(path, bare(err))
		return false
	case !is(info.Mode()):
		w.Level, w.Text = slog.LevelWarn, fmt.Sprintf("%s is not a %s and is ignored", path, what)
	default:
		return true
	}
	f.Parts = append(f.Parts, Part{Warning: &w})
	return false
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path // the working directory is gone
}
