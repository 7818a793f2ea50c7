package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// page prints the demonstration: headings, sentences, and commands with what
// they printed. It uses colour on a terminal only.
type page struct {
	w         io.Writer
	bold, dim string
	reset     string
}

func newPage(out *os.File) *page {
	p := &page{w: out}
	info, err := out.Stat()
	if err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		p.bold, p.dim, p.reset = "\x1b[1m", "\x1b[2m", "\x1b[0m"
	}
	return p
}

func (p *page) heading(text string) {
	fmt.Fprintf(p.w, "\n%s%s%s\n%s%s%s\n", p.bold, text, p.reset, p.dim, strings.Repeat("-", len(text)), p.reset)
}

func (p *page) text(format string, args ...any) {
	fmt.Fprintf(p.w, format+"\n", args...)
}

// command shows a command as typed, runs it, and shows what came out.
func (p *page) command(line string, run func() (string, error)) error {
	return p.commandAt("", line, run)
}

// commandAt is command in one of several places.
func (p *page) commandAt(place, line string, run func() (string, error)) error {
	fmt.Fprintf(p.w, "\n  %s%s$%s %s\n", p.dim, place, p.reset, line)
	out, err := run()
	if err != nil {
		return err
	}
	p.indent(out)
	return nil
}

func (p *page) table(rows [][2]string) {
	fmt.Fprintln(p.w)
	p.indent(columns(rows))
}

func (p *page) indent(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		fmt.Fprint(p.w, "    "+line)
	}
}

func columns(rows [][2]string) string {
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%-*s  %s\n", width, row[0], row[1])
	}
	return b.String()
}
