package ini

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// parser holds what is known up to the current line.
type parser struct {
	order    []*section
	sections map[string]*section
	defaults *section
	current  *section // nil before the first header
	open     bool     // the last key may still go on in indented lines
	indent   int      // of the last header or key
	errs     []*Error
}

type section struct {
	name  string
	line  int
	keys  []rawEntry
	index map[string]int // key → place in keys
}

type rawEntry struct {
	key   string
	line  int
	lines []string // the value, one element a line
}

func (p *parser) fail(line int, key, reason, accepts string) {
	e := &Error{Line: line, Key: key, Reason: reason, Accepts: accepts}
	if p.current != nil {
		e.Section = p.current.name
	}
	p.errs = append(p.errs, e)
}

// line takes in one line. The order of the questions is configparser's:
// comment, blank, continuation, header, key.
func (p *parser) line(n int, line string) {
	if !utf8.ValidString(line) {
		p.fail(n, "", "the line is not UTF-8", "text in UTF-8")
		line = strings.ToValidUTF8(line, "\ufffd")
	}
	text := trim(line)
	switch {
	case strings.HasPrefix(text, "#"), strings.HasPrefix(text, ";"):
		return
	case text == "":
		if p.open {
			p.extend("")
		}
	case p.open && indent(line) > p.indent:
		p.extend(text)
	default:
		p.indent = indent(line)
		if name, ok := header(text); ok {
			p.header(n, name)
		} else {
			p.key(n, text)
		}
	}
}

// extend adds a line to the last key's value.
func (p *parser) extend(text string) {
	last := &p.current.keys[len(p.current.keys)-1]
	last.lines = append(last.lines, text)
}

// header recognises "[name]". The name reaches to the last bracket, and what
// follows that is ignored.
func header(text string) (string, bool) {
	end := strings.LastIndexByte(text, ']')
	if text[0] != '[' || end < 2 {
		return "", false
	}
	return text[1:end], true
}

func (p *parser) header(n int, name string) {
	p.open = false
	if name == DefaultSection {
		p.current = p.defaults
		return
	}
	if first, ok := p.sections[name]; ok {
		p.current = first
		p.fail(n, "", fmt.Sprintf("a second section of this name, the first is on line %d", first.line),
			"each section once in a file")
		return
	}
	p.current = &section{name: name, line: n, index: map[string]int{}}
	p.sections[name] = p.current
	p.order = append(p.order, p.current)
}

func (p *parser) key(n int, text string) {
	if p.current == nil {
		p.fail(n, "", "text before the first section", "a section such as [mdserver], then keys")
		return
	}
	cut := strings.IndexAny(text, "=:")
	if cut < 0 {
		p.open = false
		p.fail(n, "", "neither a section, a key nor a comment",
			"[section], key = value, or a line that starts with #")
		return
	}
	key := strings.ToLower(trim(text[:cut]))
	if key == "" {
		p.open = false
		p.fail(n, "", "a value without a key", "key = value")
		return
	}
	entry := rawEntry{key: key, line: n, lines: []string{trim(text[cut+1:])}}
	p.open = true
	if i, ok := p.current.index[key]; ok {
		p.fail(n, key, fmt.Sprintf("set twice in this file, first on line %d", p.current.keys[i].line),
			"each key once in a section")
		// Kept, so that its further lines are read as such; not indexed.
	} else {
		p.current.index[key] = len(p.current.keys)
	}
	p.current.keys = append(p.current.keys, entry)
}

// finish joins lines, hands down the defaults and resolves references.
func (p *parser) finish() (*File, []*Error) {
	f := &File{}
	for i, raw := range p.defaults.keys {
		if p.defaults.index[raw.key] == i {
			f.Defaults = append(f.Defaults, Entry{Key: raw.key, Value: raw.value(), Line: raw.line})
		}
	}
	for _, s := range p.order {
		p.current = s
		f.Sections = append(f.Sections, p.resolve(s, f.Defaults))
	}
	sort.SliceStable(p.errs, func(i, j int) bool { return p.errs[i].Line < p.errs[j].Line })
	return f, p.errs
}

// value joins the lines of a value; blank ones at its end do not count.
func (r rawEntry) value() string {
	return strings.TrimRightFunc(strings.Join(r.lines, "\n"), isSpace)
}

func (p *parser) resolve(s *section, defaults []Entry) *Section {
	out := &Section{Name: s.name, Line: s.line}
	values := map[string]string{}
	for _, d := range defaults {
		e := d
		if i, ok := s.index[d.Key]; ok {
			e.Value, e.Line = s.keys[i].value(), s.keys[i].line
		} else {
			e.Inherited = true
		}
		values[e.Key] = e.Value
		out.Entries = append(out.Entries, e)
	}
	for i, raw := range s.keys {
		if _, done := values[raw.key]; done || s.index[raw.key] != i {
			continue
		}
		e := Entry{Key: raw.key, Value: raw.value(), Line: raw.line}
		values[e.Key] = e.Value
		out.Entries = append(out.Entries, e)
	}
	for i := range out.Entries {
		e := &out.Entries[i]
		value, err := interpolate(e.Value, values)
		if err != nil {
			p.fail(e.Line, e.Key, err.Error(), "%(key)s with a key of this section or of [DEFAULT], %% for a percent sign")
			continue
		}
		e.Value = value
	}
	return out
}
