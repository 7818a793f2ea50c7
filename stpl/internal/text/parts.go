package text

import (
	"slices"
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/object"
)

// parts collects the pieces of a split string, charged one by one. After an
// error it takes no more.
type parts struct {
	t     *object.Thread
	items []object.Value
	err   error
}

// add reports whether there is room for more.
func (p *parts) add(s string) bool {
	if p.err = p.t.Step(1); p.err == nil {
		p.err = p.t.AllocSlots(1)
	}
	if p.err == nil {
		p.items = append(p.items, object.Str(s))
	}
	return p.err == nil
}

func (p *parts) list() (object.Value, error) { return object.NewList(p.items), p.err }

// lines splits text into lines, each with its end if keep is set.
func (p *parts) lines(s string, keep bool, isEnd func(rune) bool) {
	for s != "" {
		i := strings.IndexFunc(s, isEnd)
		if i < 0 {
			p.add(s)
			return
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		line := s[:i]
		if keep {
			line = s[:i+n]
		}
		if !p.add(line) {
			return
		}
		s = s[i+n:]
	}
}

// spaces splits at runs of white space, at most limit times if limit is not
// negative.
func (p *parts) spaces(s string, limit int) {
	for s = strings.TrimLeftFunc(s, character.IsSpace); s != ""; {
		i := strings.IndexFunc(s, character.IsSpace)
		if i < 0 || limit >= 0 && len(p.items) == limit {
			p.add(s)
			return
		}
		if !p.add(s[:i]) {
			return
		}
		s = strings.TrimLeftFunc(s[i:], character.IsSpace)
	}
}

// rspaces splits at runs of white space from the right.
func (p *parts) rspaces(s string, limit int) {
	defer func() { slices.Reverse(p.items) }() // they are collected from the right
	for s = strings.TrimRightFunc(s, character.IsSpace); s != ""; {
		i := strings.LastIndexFunc(s, character.IsSpace)
		if i < 0 || limit >= 0 && len(p.items) == limit {
			p.add(s)
			return
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if !p.add(s[i+n:]) {
			return
		}
		s = strings.TrimRightFunc(s[:i], character.IsSpace)
	}
}

// split splits at sep, at most limit times if limit is not negative.
func (p *parts) split(s, sep string, limit int) {
	p.items = make([]object.Value, 0, expectedParts(s, sep, limit))
	for limit < 0 || len(p.items) < limit {
		before, after, found := strings.Cut(s, sep)
		if !found {
			break
		}
		if !p.add(before) {
			return
		}
		s = after
	}
	p.add(s)
}

// expectedParts is how many parts there will be, or some of them if many.
func expectedParts(s, sep string, limit int) int {
	n := strings.Count(s, sep)
	if limit >= 0 {
		n = min(n, limit)
	}
	return min(1+n, 64)
}

// rsplit splits at sep from the right.
func (p *parts) rsplit(s, sep string, limit int) {
	defer func() { slices.Reverse(p.items) }() // they are collected from the right
	for limit < 0 || len(p.items) < limit {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		if !p.add(s[i+len(sep):]) {
			return
		}
		s = s[:i]
	}
	p.add(s)
}
