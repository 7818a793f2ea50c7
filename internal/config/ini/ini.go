// Package ini reads the dialect of INI that Python's configparser reads with
// its default settings, and reports where each value stands.
//
// The Python mdserver read its files with configparser, so a file in the field may
// use all of it: "=" and ":" between key and value, full-line comments with "#"
// and ";", values that go on in indented lines, a [DEFAULT] section that every
// other section inherits, and "%(key)s" references. An error about a wrong value
// has to name the line, and gopkg.in/ini.v1, the usual library, keeps no
// positions; hence this small reader.
//
// It departs from configparser in three places. A file's problems are all
// reported, not only the first. A "%" that configparser would refuse is taken
// literally. A byte order mark at the start of the file is skipped.
package ini

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultSection is the section whose keys all other sections inherit.
const DefaultSection = "DEFAULT"

// File is the content of one INI file.
type File struct {
	// Sections in the order of the file, without [DEFAULT].
	Sections []*Section
	// Defaults holds the keys of [DEFAULT] as written, references unresolved.
	Defaults []Entry
}

// Section is one section with all that it inherits.
type Section struct {
	Name string
	Line int
	// Entries are the keys with their final values: those of [DEFAULT]
	// first, then the section's own, each in the order of the file.
	Entries []Entry
}

// Entry is one key and its value.
type Entry struct {
	Key       string // in lower case
	Value     string
	Line      int  // where the key stands, counted from 1
	Inherited bool // the value comes from [DEFAULT]
}

// Error is one problem of a file's syntax. Its text never repeats a value,
// which may be a secret.
type Error struct {
	Line    int
	Section string
	Key     string
	Reason  string
	Accepts string
}

// Error tells line, section and key, reason and remedy.
func (e *Error) Error() string {
	where := ""
	if e.Section != "" {
		where = "[" + e.Section + "] "
	}
	if e.Key != "" {
		where += e.Key + ": "
	}
	return fmt.Sprintf("line %d: %s%s, accepted: %s", e.Line, where, e.Reason, e.Accepts)
}

// Parse reads a file's text. It always returns a File with all that could be
// understood, along with every problem, in the order of their lines.
func Parse(text string) (*File, []*Error) {
	p := &parser{sections: map[string]*section{}}
	p.defaults = &section{name: DefaultSection, index: map[string]int{}}
	text = strings.TrimPrefix(text, "\ufeff")
	for i, line := range splitLines(text) {
		p.line(i+1, line)
	}
	return p.finish()
}

// splitLines cuts at \n, \r\n and \r, as Python's text files do.
func splitLines(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// isSpace agrees with Python's str.isspace: Go leaves out four separators.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
}

func trim(s string) string { return strings.TrimFunc(s, isSpace) }

// indent counts the characters before the first one that is not a space.
func indent(line string) int {
	i := strings.IndexFunc(line, func(r rune) bool { return !isSpace(r) })
	if i < 0 {
		return 0
	}
	return utf8.RuneCountInString(line[:i])
}
