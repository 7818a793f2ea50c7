package re

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/regex"
)

var patternType *object.Type

func init() {
	patternType = object.NewType("Pattern", "re", object.Properties(patternProperties)).Define(
		patternMethod("match", regex.Options{Anchored: true}),
		patternMethod("fullmatch", regex.Options{Anchored: true, Full: true}),
		patternMethod("search", regex.Options{}),
		object.Method("findall", "string pos:int? endpos:int?", findAll),
		object.Method("finditer", "string pos:int? endpos:int?", findIter),
		object.Method("split", "string maxsplit:int?", split),
		object.Method("sub", "repl string count:int?", func(t *object.Thread, p *pattern, a []object.Value) (object.Value, error) {
			v, _, err := substitute(t, p, a)
			return v, err
		}),
		object.Method("subn", "repl string count:int?", func(t *object.Thread, p *pattern, a []object.Value) (object.Value, error) {
			v, n, err := substitute(t, p, a)
			return object.Tuple{v, object.Int(n)}, err
		}),
	)
}

var patternProperties = map[string]func(*pattern) object.Value{
	"pattern": func(p *pattern) object.Value { return p.source.value },
	"groups":  func(p *pattern) object.Value { return object.Int(p.re.Groups) },
	"flags": func(p *pattern) object.Value {
		f := p.flags
		if !p.source.bytes && f&regex.ASCII == 0 {
			f |= regex.Unicode
		}
		return object.Int(f)
	},
	"groupindex": func(p *pattern) object.Value {
		d := object.NewDict()
		for n := 1; n <= p.re.Groups; n++ {
			if group := p.groupName(n); group != "" {
				d.SetStr(group, object.Int(n))
			}
		}
		return d
	},
}

// groupName returns the name of a group, "" if it has none.
func (p *pattern) groupName(n int) string {
	for name, i := range p.re.Names {
		if i == n {
			return name
		}
	}
	return ""
}

// region reads string, pos and endpos.
func region(t *object.Thread, a []object.Value) (s subject, pos, end int, err error) {
	if s, err = newSubject(t, a[0]); err != nil {
		return s, 0, 0, err
	}
	within := func(n int) int { return max(0, min(n, len(s.runes))) }
	return s, within(object.IntOr(a[1], 0)), within(object.IntOr(a[2], len(s.runes))), nil
}

func patternMethod(name string, o regex.Options) *object.Builtin {
	return object.Method(name, "string pos:int? endpos:int?", func(t *object.Thread, p *pattern, a []object.Value) (object.Value, error) {
		s, pos, end, err := region(t, a)
		if err != nil {
			return nil, err
		}
		o := o
		o.Pos, o.End = pos, end
		if m, err := p.find(t, s, o); m != nil || err != nil {
			return m, err
		}
		return object.None, nil
	})
}

func findAll(t *object.Thread, p *pattern, a []object.Value) (object.Value, error) {
	s, pos, end, err := region(t, a)
	if err != nil {
		return nil, err
	}
	out := object.NewList(nil)
	err = p.matches(t, s, pos, end, func(m *match) (bool, error) {
		v, err := m.found(t)
		if err == nil {
			err = out.Append(t, v)
		}
		return true, err
	})
	return out, err
}

// found is what findall lists: the whole match, the only group or all groups.
func (m *match) found(t *object.Thread) (object.Value, error) {
	blank := m.s.join(nil)
	switch m.p.re.Groups {
	case 0:
		return m.group(t, 0, blank)
	case 1:
		return m.group(t, 1, blank)
	}
	return m.groups(t, blank)
}

func findIter(t *object.Thread, p *pattern, a []object.Value) (object.Value, error) {
	s, pos, end, err := region(t, a)
	if err != nil {
		return nil, err
	}
	next := p.iterate(s, pos, end)
	return object.NewIterator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		m, err := next(t)
		if m == nil || err != nil {
			return nil, err
		}
		return m, nil
	})), nil
}

func split(t *object.Thread, p *pattern, a []object.Value) (object.Value, error) {
	s, err := newSubject(t, a[0])
	if err != nil {
		return nil, err
	}
	limit := object.IntOr(a[1], 0)
	out := object.NewList(nil)
	last, n := 0, 0
	add := func(from, to int) error {
		v, err := s.slice(t, from, to)
		if err != nil {
			return err
		}
		return out.Append(t, v)
	}
	if limit >= 0 {
		err = p.matches(t, s, 0, len(s.runes), func(m *match) (bool, error) {
			if err := add(last, m.at[0]); err != nil {
				return false, err
			}
			for i := 1; i <= p.re.Groups; i++ {
				v, err := m.group(t, i, object.None)
				if err != nil {
					return false, err
				}
				if err := out.Append(t, v); err != nil {
					return false, err
				}
			}
			last = m.at[1]
			n++
			return limit == 0 || n < limit, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, add(last, len(s.runes))
}
