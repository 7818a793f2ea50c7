package re

import (
	"fmt"

	"mdserver/stpl/internal/object"
)

// match is a match object.
type match struct {
	p        *pattern
	s        subject
	at       []int // two positions for each group, then the last group
	pos, end int
}

var matchType *object.Type

func init() {
	matchType = object.NewType("Match", "re", object.Properties(matchProperties)).Define(
		object.Method("group", "*args", func(t *object.Thread, m *match, a []object.Value) (object.Value, error) {
			return m.pick(t, a[0].(object.Tuple))
		}),
		object.Method("groups", "default?", func(t *object.Thread, m *match, a []object.Value) (object.Value, error) {
			return m.groups(t, object.OrNone(a[0]))
		}),
		object.Method("groupdict", "default?", groupDict),
		object.Method("start", "group?", func(_ *object.Thread, m *match, a []object.Value) (object.Value, error) {
			from, _, err := m.span(a[0])
			return object.Int(from), err
		}),
		object.Method("end", "group?", func(_ *object.Thread, m *match, a []object.Value) (object.Value, error) {
			_, to, err := m.span(a[0])
			return object.Int(to), err
		}),
		object.Method("span", "group?", func(_ *object.Thread, m *match, a []object.Value) (object.Value, error) {
			from, to, err := m.span(a[0])
			return object.Tuple{object.Int(from), object.Int(to)}, err
		}),
		object.Method("expand", "template", func(t *object.Thread, m *match, a []object.Value) (object.Value, error) {
			parts, err := parseReplacement(t, m.p, a[0])
			if err != nil {
				return nil, err
			}
			r, err := m.expand(t, parts, nil)
			return m.s.join(r), err
		}),
	)
}

// Class implements object.Value.
func (*match) Class() *object.Type { return matchType }

// Repr implements object.Represented.
func (m *match) Repr() string {
	whole := m.s.runes[m.at[0]:m.at[1]]
	shown := []rune(object.PlainRepr(m.s.join(whole[:min(len(whole), 50)])))
	return fmt.Sprintf("<re.Match object; span=(%d, %d), match=%s>", m.at[0], m.at[1], string(shown[:min(len(shown), 50)]))
}

// Index implements object.Indexed.
func (m *match) Index(t *object.Thread, key object.Value) (object.Value, error) {
	n, err := m.number(key)
	if err != nil {
		return nil, err
	}
	return m.group(t, n, object.None)
}

// number resolves a group's number or name.
func (m *match) number(v object.Value) (int, error) {
	switch v := v.(type) {
	case object.Int, object.Bool:
		if n, _ := object.AsInt(v); n >= 0 && n <= int64(m.p.re.Groups) {
			return int(n), nil
		}
	case object.Str:
		if n, ok := m.p.re.Names[string(v)]; ok {
			return n, nil
		}
	}
	return 0, object.Raise(object.IndexError, "no such group")
}

// group returns the text of a group, or def if it did not take part.
func (m *match) group(t *object.Thread, n int, def object.Value) (object.Value, error) {
	if m.at[2*n] < 0 || m.at[2*n+1] < 0 {
		return def, nil
	}
	return m.s.slice(t, m.at[2*n], m.at[2*n+1])
}

func (m *match) groups(t *object.Thread, def object.Value) (object.Value, error) {
	if err := t.AllocSlots(m.p.re.Groups); err != nil {
		return nil, err
	}
	out := make(object.Tuple, m.p.re.Groups)
	for i := range out {
		var err error
		if out[i], err = m.group(t, i+1, def); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *match) pick(t *object.Thread, which object.Tuple) (object.Value, error) {
	switch len(which) {
	case 0:
		return m.group(t, 0, object.None)
	case 1:
		return m.Index(t, which[0])
	}
	out := make(object.Tuple, len(which))
	for i, key := range which {
		var err error
		if out[i], err = m.Index(t, key); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *match) span(v object.Value) (from, to int, err error) {
	if v == nil {
		v = object.Int(0)
	}
	n, err := m.number(v)
	if err != nil {
		return 0, 0, err
	}
	return m.at[2*n], m.at[2*n+1], nil
}

func groupDict(t *object.Thread, m *match, a []object.Value) (object.Value, error) {
	d := object.NewDict()
	for n := 1; n <= m.p.re.Groups; n++ {
		name := m.p.groupName(n)
		if name == "" {
			continue
		}
		v, err := m.group(t, n, object.OrNone(a[0]))
		if err != nil {
			return nil, err
		}
		if err := d.Set(t, object.Str(name), v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

var matchProperties = map[string]func(*match) object.Value{
	"string": func(m *match) object.Value { return m.s.value },
	"re":     func(m *match) object.Value { return m.p },
	"pos":    func(m *match) object.Value { return object.Int(m.pos) },
	"endpos": func(m *match) object.Value { return object.Int(m.end) },
	"lastindex": func(m *match) object.Value {
		if last := m.at[len(m.at)-1]; last >= 0 {
			return object.Int(last)
		}
		return object.None
	},
	"lastgroup": func(m *match) object.Value {
		if last := m.at[len(m.at)-1]; last >= 0 && m.p.groupName(last) != "" {
			return object.Str(m.p.groupName(last))
		}
		return object.None
	},
}
