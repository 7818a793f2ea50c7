package source

import (
	"fmt"
	"log/slog"
	"strconv"
	"unicode/utf8"

	"mdserver/internal/config/ini"
	"mdserver/internal/config/kind"
)

// Problem is one reason not to use a configuration.
type Problem struct {
	File     string
	Line     int    // 0 if the problem is the file as a whole
	Key      string // "section.key", empty if no key is at fault
	Value    string // as read; empty for secrets
	Reason   string // what is wrong with it
	Accepted string // what would be right

	Shown bool  // Value is worth printing, even when empty
	Err   error // why a file could not be read, or nil
}

// Error is one line: FILE:LINE: KEY = "VALUE": REASON, accepted: ACCEPTED.
func (p *Problem) Error() string {
	text := place(p.File, p.Line)
	switch {
	case p.Shown:
		text += fmt.Sprintf("%s = %q: ", Printable(p.Key), shorten(p.Value))
	case p.Key != "":
		text += Printable(p.Key) + ": "
	}
	text += p.Reason
	if p.Accepted != "" {
		text += ", accepted: " + p.Accepted
	}
	return text
}

// Unwrap returns Err.
func (p *Problem) Unwrap() error { return p.Err }

// Warning is something to look at that does not keep the server from starting.
type Warning struct {
	File  string
	Line  int
	Key   string
	Text  string     // never tells a secret
	Level slog.Level // slog.LevelWarn, or slog.LevelDebug for a mere remark
}

// String is one line: FILE:LINE: KEY: TEXT.
func (w Warning) String() string {
	text := place(w.File, w.Line)
	if w.Key != "" {
		text += Printable(w.Key) + ": "
	}
	return text + w.Text
}

func place(file string, line int) string {
	switch {
	case file == "":
		return "default: "
	case line == 0:
		return file + ": "
	}
	return fmt.Sprintf("%s:%d: ", file, line)
}

// Printable quotes a name that would upset a terminal.
func Printable(name string) string {
	if kind.Plain(name) != nil {
		return strconv.Quote(name)
	}
	return name
}

// shorten keeps a message readable if the value is a whole file.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func syntaxProblem(file string, e *ini.Error) *Problem {
	p := &Problem{File: file, Line: e.Line, Reason: e.Reason, Accepted: e.Accepts}
	switch {
	case e.Key != "":
		p.Key = e.Section + "." + e.Key
	case e.Section != "":
		p.Key = "[" + e.Section + "]"
	}
	return p
}
