package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"mdserver/internal/config/ini"
	"mdserver/internal/config/kind"
)

const (
	maxFile     = 4 << 20 // length of a configuration file
	maxProblems = 25      // that are reported; a file with more is not a configuration
)

// Load reads a file and what it includes, fills in the defaults and checks
// everything. The error joins one *Problem for each thing that is wrong; there
// is no Config then. Warnings come in either case.
func Load(path string) (*Config, []Warning, error) {
	l := &loader{config: &Config{values: newValues()}}
	l.config.Files.Main = path
	if l.read(path, true) {
		l.note("main", path)
		l.include()
		l.rename()
		l.apply()
		l.check()
	}
	if len(l.problems) > 0 {
		return nil, l.warnings, l.err()
	}
	return l.config, l.warnings, nil
}

// Default is the configuration of an empty file.
func Default() *Config {
	l := &loader{config: &Config{values: newValues()}}
	l.apply()
	l.check()
	if err := l.err(); err != nil {
		panic(fmt.Sprintf("config: the defaults do not hold: %v", err)) // the table is wrong; a test sees to it
	}
	return l.config
}

// loader gathers a configuration and its problems and warnings.
type loader struct {
	config   *Config
	order    []string // files in the order they were read
	problems []*Problem
	warnings []Warning
	networks []networkHead
}

func (l *loader) err() error {
	slices.SortStableFunc(l.problems, func(a, b *Problem) int {
		if d := slices.Index(l.order, a.File) - slices.Index(l.order, b.File); d != 0 {
			return d
		}
		return a.Line - b.Line
	})
	var errs []error
	for _, p := range l.problems[:min(len(l.problems), maxProblems)] {
		errs = append(errs, p)
	}
	if more := len(l.problems) - len(errs); more > 0 {
		errs = append(errs, fmt.Errorf("and %d more problems", more))
	}
	return errors.Join(errs...)
}

func (l *loader) warn(w Warning) { l.warnings = append(l.warnings, w) }

// read takes in one file. It reports whether the file could be read at all.
func (l *loader) read(path string, isMain bool) bool {
	l.order = append(l.order, path)
	text, err := readText(path)
	if err != nil {
		l.problems = append(l.problems, &Problem{File: path, Reason: err.Error(), err: err})
		return false
	}
	file, errs := ini.Parse(text)
	for _, e := range errs {
		l.problems = append(l.problems, syntaxProblem(path, e))
	}
	for _, s := range file.Sections {
		l.section(path, s, isMain)
	}
	return true
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

func (l *loader) section(path string, s *ini.Section, isMain bool) {
	switch {
	case s.Name == "_include_" && !isMain:
		l.warn(Warning{File: path, Line: s.Line, Key: "[_include_]", Level: slog.LevelWarn,
			Text: "is read in the main file only, and ignored here"})
		return
	case !knownSection(s.Name):
		l.warn(Warning{File: path, Line: s.Line, Key: "[" + s.Name + "]", Level: slog.LevelWarn,
			Text: "unknown section" + nearestSection(s.Name)})
	}
	if name, ok := networkName(s.Name); ok {
		l.network(networkHead{section: s.Name, name: name, file: path, line: s.Line})
	}
	for _, e := range s.Entries {
		v := &value{section: s.Name, name: e.Key, key: lookup(s.Name, e.Key), text: e.Value, file: path, line: e.Line}
		v.seen = seenAs(v.key, e.Value)
		if v.key == nil && knownSection(s.Name) && !e.Inherited && renamed(v.full()) == nil {
			l.warn(Warning{File: path, Line: e.Line, Key: v.full(), Level: slog.LevelWarn,
				Text: "unknown key" + nearestKey(s.Name, e.Key)})
		}
		l.config.values.set(v)
	}
}

func seenAs(k *key, text string) any {
	if k != nil && k.seen != nil {
		return k.seen(text)
	}
	return text
}

// include reads what [_include_] names.
func (l *loader) include() {
	for _, dir := range l.list("_include_.directories") {
		l.directory(dir)
	}
	var read []string
	for _, name := range l.list("_include_.files") {
		if !l.exists(name, os.FileMode.IsRegular, "file") {
			continue
		}
		name = absolute(name)
		l.read(name, false)
		read = append(read, name)
	}
	l.config.Files.Included = read
	l.note("files", strings.Join(read, ","))
}

// list splits the value of a key that names files.
func (l *loader) list(name string) []string {
	v := l.config.values.byKey[name]
	if v == nil {
		return nil
	}
	list, _ := kind.Paths.Parse(kind.Unquote(v.text)) // apply reports what is wrong
	return list
}

// directory reads the *.conf files of one directory by name.
func (l *loader) directory(dir string) {
	if !l.exists(dir, os.FileMode.IsDir, "directory") {
		return
	}
	dir = absolute(dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		err = bare(err)
		l.problems = append(l.problems, &Problem{File: dir, Reason: err.Error(), err: err})
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
			l.read(filepath.Join(dir, name), false)
		}
	}
	l.config.Files.Directories = append(l.config.Files.Directories, Directory{Path: dir, Names: names})
	l.note(dir, strings.Join(names, ","))
}

// exists ignores a path that does not exist, as the Python mdserver did, with a
// remark.
func (l *loader) exists(path string, is func(os.FileMode) bool, what string) bool {
	w := Warning{File: l.config.Files.Main, Key: "_include_"}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		w.Level, w.Text = slog.LevelDebug, fmt.Sprintf("%s does not exist and is ignored", path)
	case err != nil:
		err = bare(err)
		l.problems = append(l.problems, &Problem{File: path, Reason: err.Error(), err: err})
		return false
	case !is(info.Mode()):
		w.Level, w.Text = slog.LevelWarn, fmt.Sprintf("%s is not a %s and is ignored", path, what)
	default:
		return true
	}
	l.warn(w)
	return false
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path // the working directory is gone
}

// note records a file among the values, as the Python mdserver did.
func (l *loader) note(name, text string) {
	l.config.values.set(&value{section: "_files_", name: name, text: text, seen: text, file: l.config.Files.Main})
}
