package object

import (
	"strconv"
	"strings"

	"mdserver/stpl/internal/format"
)

// formatter runs str.format.
type formatter struct {
	t      *Thread
	pos    []Value
	kw     *Dict
	auto   int // next automatic number
	manual bool
}

func strFormat(t *Thread, s string, pos []Value, kw *Dict) (string, error) {
	f := &formatter{t: t, pos: pos, kw: kw}
	return f.run(s, 2)
}

func (f *formatter) run(s string, depth int) (string, error) {
	if depth == 0 {
		return "", Raise(ValueError, "Max string recursion exceeded")
	}
	out := Builder{t: f.t}
	for s != "" {
		part, rest, err := format.CutPart(s)
		if err != nil {
			return "", numberError(err)
		}
		_ = out.Write(part.Text)
		if part.Field {
			text, err := f.field(&part, depth)
			if err != nil {
				return "", err
			}
			_ = out.Write(text)
		}
		s = rest
	}
	return out.Text()
}

func (f *formatter) field(p *format.Part, depth int) (string, error) {
	if err := f.t.Step(1); err != nil {
		return "", err
	}
	v, err := f.value(p)
	if err != nil {
		return "", err
	}
	if p.Conv != 0 {
		if v, err = Convert(f.t, v, p.Conv); err != nil {
			return "", err
		}
	}
	spec := p.Spec
	if strings.ContainsAny(spec, "{}") {
		if spec, err = f.run(spec, depth-1); err != nil {
			return "", err
		}
	}
	return Format(f.t, v, spec)
}

// Convert applies a conversion: 's', 'r' or 'a'.
func Convert(t *Thread, v Value, conv byte) (Value, error) {
	var s string
	var err error
	switch conv {
	case 's':
		s, err = ToStr(t, v)
	case 'r':
		s, err = Repr(t, v)
	case 'a':
		s, err = ASCII(t, v)
	default:
		return nil, Raise(ValueError, "Unknown conversion specifier %c", conv)
	}
	return Str(s), err
}

// value finds what a field names.
func (f *formatter) value(p *format.Part) (Value, error) {
	v, err := f.first(p.First)
	for path := p.Path; path != "" && err == nil; {
		var name string
		var isKey bool
		if name, isKey, path, err = format.CutStep(path); err != nil {
			return nil, numberError(err)
		}
		if isKey {
			v, err = f.item(v, name)
		} else {
			v, err = GetAttr(f.t, v, name)
		}
	}
	return v, err
}

func (f *formatter) item(v Value, key string) (Value, error) {
	if i, err := strconv.Atoi(key); err == nil && key[0] != '-' && key[0] != '+' {
		return Index(f.t, v, Int(i))
	}
	return Index(f.t, v, Str(key))
}

func (f *formatter) first(name string) (Value, error) {
	i, err := strconv.Atoi(name)
	switch {
	case name == "":
		if f.manual {
			return nil, Raise(ValueError, "cannot switch from manual field specification to automatic field numbering")
		}
		i = f.auto
		f.auto++
	case err != nil:
		if f.kw != nil {
			if v, ok := f.kw.GetStr(name); ok {
				return v, nil
			}
		}
		return nil, RaiseValue(KeyError, Str(name))
	default:
		if f.auto > 0 {
			return nil, Raise(ValueError, "cannot switch from automatic field numbering to manual field specification")
		}
		f.manual = true
	}
	if i < 0 || i >= len(f.pos) {
		return nil, Raise(IndexError, "Replacement index %d out of range for positional args tuple", i)
	}
	return f.pos[i], nil
}
