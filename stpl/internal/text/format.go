package text

import (
	"strconv"
	"strings"

	"mdserver/stpl/internal/format"
	"mdserver/stpl/internal/object"
)

// formatter runs str.format.
type formatter struct {
	t      *object.Thread
	pos    []object.Value
	named  object.Value // has the values of names
	noPos  bool         // of format_map
	auto   int          // next automatic number
	manual bool
}

func (f *formatter) run(s string, depth int) (string, error) {
	if depth == 0 {
		return "", object.Raise(object.ValueError, "Max string recursion exceeded")
	}
	out := object.NewBuilder(f.t)
	for s != "" {
		part, rest, err := format.CutPart(s)
		if err != nil {
			return "", object.RaiseValue(object.ValueError, object.Str(err.Error()))
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
		if v, err = object.Convert(f.t, v, p.Conv); err != nil {
			return "", err
		}
	}
	spec := p.Spec
	if strings.ContainsAny(spec, "{}") {
		if spec, err = f.run(spec, depth-1); err != nil {
			return "", err
		}
	}
	return object.Format(f.t, v, spec)
}

// value finds what a field names.
func (f *formatter) value(p *format.Part) (object.Value, error) {
	v, err := f.first(p.First)
	for path := p.Path; path != "" && err == nil; {
		var name string
		var isKey bool
		if name, isKey, path, err = format.CutStep(path); err != nil {
			return nil, object.RaiseValue(object.ValueError, object.Str(err.Error()))
		}
		if isKey {
			v, err = f.item(v, name)
		} else {
			v, err = object.GetAttr(f.t, v, name)
		}
	}
	return v, err
}

func (f *formatter) item(v object.Value, key string) (object.Value, error) {
	if i, err := strconv.Atoi(key); err == nil && key[0] != '-' && key[0] != '+' {
		return object.Index(f.t, v, object.Int(i))
	}
	return object.Index(f.t, v, object.Str(key))
}

func (f *formatter) first(name string) (object.Value, error) {
	i, err := strconv.Atoi(name)
	switch isName := name != "" && (err != nil || i < 0); {
	case isName:
		return object.Index(f.t, f.named, object.Str(name))
	case f.noPos:
		return nil, object.Raise(object.ValueError, "Format string contains positional fields")
	case name == "":
		if f.manual {
			return nil, object.Raise(object.ValueError, "cannot switch from manual field specification to automatic field numbering")
		}
		i = f.auto
		f.auto++
	default:
		if f.auto > 0 {
			return nil, object.Raise(object.ValueError, "cannot switch from automatic field numbering to manual field specification")
		}
		f.manual = true
	}
	if i >= len(f.pos) {
		return nil, object.Raise(object.IndexError, "Replacement index %d out of range for positional args tuple", i)
	}
	return f.pos[i], nil
}
