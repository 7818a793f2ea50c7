package config

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"mdserver/internal/config/ini"
	"mdserver/internal/config/source"
)

const maxProblems = 25 // that are reported; a file with more is not a configuration

// Load reads a file and what it includes, fills in the defaults and checks
// everything. The error joins one *Problem for each thing that is wrong; there
// is no Config then. Warnings come in either case.
func Load(path string) (*Config, []Warning, error) {
	l := &loader{config: &Config{values: newValues()}}
	if l.read(path) {
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
	order    []string // files in the order in which they count
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

// read takes in all files. It reports whether the main file could be read at all.
func (l *loader) read(path string) bool {
	files := source.Read(path)
	l.order, l.problems = files.Paths, files.Problems
	f := &l.config.Files
	f.Main, f.Directories, f.Included = path, files.Directories, files.Included
	for _, part := range files.Parts {
		switch {
		case part.File != nil:
			for _, s := range part.File.Sections {
				l.section(part.File, s)
			}
		case part.Warning != nil:
			l.warn(*part.Warning)
		case part.Note != nil:
			l.note(part.Note.Name, part.Note.Text)
		}
	}
	return len(files.Parts) > 0
}

func (l *loader) section(from *source.File, s *ini.Section) {
	path := from.Path
	switch {
	case s.Name == source.IncludeSection && from.Included:
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

// note records a file among the values, as the Python mdserver did.
func (l *loader) note(name, text string) {
	l.config.values.set(&value{section: "_files_", name: name, text: text, seen: text, file: l.config.Files.Main})
}
