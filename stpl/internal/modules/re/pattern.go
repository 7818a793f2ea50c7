package re

import (
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/regex"
)

var patternType *object.Type

func init() {
	patternType = object.NewType("Pattern", "re", patternProperty).Define(
		patternMethod("match", regex.Options{Anchored: true}),
		patternMethod("fullmatch", regex.Options{Anchored: true, Full: true}),
		patternMethod("search", regex.Options{}),
		native.Func("findall", "string pos? endpos?", findAll),
		native.Func("finditer", "string pos? endpos?", findIter),
		native.Func("split", "string maxsplit:int?", split),
		native.Func("sub", "repl string count?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			v, _, err := substitute(t, a)
			return v, err
		}),
		native.Func("subn", "repl string count?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			v, n, err := substitute(t, a)
			return object.Tuple{v, object.Int(n)}, err
		}),
	)
}

func patternProperty(_ *object.Thread, v object.Value, name string) (object.Value, error) {
	p := v.(*pattern)
	switch name {
	case "pattern":
		return p.source.value, nil
	case "flags":
		f := p.flags
		if !p.source.bytes && f&regex.ASCII == 0 {
			f |= regex.Unicode
		}
		return object.Int(f), nil
	case "groups":
		return object.Int(p.re.Groups), nil
	case "groupindex":
		d := object.NewDict()
		for n := 1; n <= p.re.Groups; n++ {
			if group := p.groupName(n); group != "" {
				d.SetStr(group, object.Int(n))
			}
		}
		return d, nil
	}
	return nil, nil
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
	if pos, err = native.IntOr(a[1], 0); err != nil {
		return s, 0, 0, err
	}
	if end, err = native.IntOr(a[2], len(s.runes)); err != nil {
		return s, 0, 0, err
	}
	end = max(0, min(end, len(s.runes)))
	return s, max(0, min(pos, len(s.runes))), end, nil
}

func patternMethod(name string, o regex.Options) *object.Builtin {
	return native.Func(name, "string pos? endpos?", func(t *object.Thread, a []object.Value) (object.Value, error) {
		s, pos, end, err := region(t, a[1:])
		if err != nil {
			return nil, err
		}
		o := o
		o.Pos, o.End = pos, end
		if m, err := a[0].(*pattern).find(t, s, o); m != nil || err != nil {
			return m, err
		}
		return object.None, nil
	})
}

func findAll(t *object.Thread, a []object.Value) (object.Value, error) {
	s, pos, end, err := region(t, a[1:])
	if err != nil {
		return nil, err
	}
	p := a[0].(*pattern)
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

func findIter(t *object.Thread, a []object.Value) (object.Value, error) {
	s, pos, end, err := region(t, a[1:])
	if err != nil {
		return nil, err
	}
	next := a[0].(*pattern).iterate(s, pos, end)
	return object.NewIterator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		m, err := next(t)
		if m == nil || err != nil {
			return nil, err
		}
		return m, nil
	})), nil
}

func split(t *object.Thread, a []object.Value) (object.Value, error) {
	p := a[0].(*pattern)
	s, err := newSubject(t, a[1])
	if err != nil {
		return nil, err
	}
	limit := object.IntOr(a[2], 0)
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
