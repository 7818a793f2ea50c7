package object

import (
	"strconv"
	"strings"
)

// formatter runs str.format.
type formatter struct {
	t      *Thread
	pos    []Value
	kw     *Dict
	auto   int // next automatic number
	manual bool
}

func strFormat(t *Thread, format string, pos []Value, kw *Dict) (string, error) {
	f := &formatter{t: t, pos: pos, kw: kw}
	return f.run(format, 2)
}

func (f *formatter) run(s string, depth int) (string, error) {
	if depth == 0 {
		return "", Raise(ValueError, "Max string recursion exceeded")
	}
	out := Builder{t: f.t}
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		_ = out.Write(s[:i])
		if s = s[i:]; s == "" {
			break
		}
		if len(s) > 1 && s[1] == s[0] {
			_ = out.Write(s[:1])
			s = s[2:]
			continue
		}
		if s[0] == '}' {
			return "", Raise(ValueError, "Single '}' encountered in format string")
		}
		field, rest, err := cutField(s[1:])
		if err != nil {
			return "", err
		}
		text, err := f.field(field, depth)
		if err != nil {
			return "", err
		}
		_ = out.Write(text)
		s = rest
	}
	return out.Text()
}

// cutField splits s after the brace that closes the replacement field.
func cutField(s string) (field, rest string, err error) {
	if s == "" {
		return "", "", Raise(ValueError, "Single '{' encountered in format string")
	}
	depth := 1
	bracket := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[' && depth == 1:
			bracket = true
		case c == ']':
			bracket = false
		case bracket:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return s[:i], s[i+1:], nil
			}
		}
	}
	if i := strings.IndexAny(s, "!:"); i >= 0 && !strings.Contains(s[:i], "[") {
		return "", "", Raise(ValueError, "unmatched '{' in format spec")
	}
	return "", "", Raise(ValueError, "expected '}' before end of string")
}

func (f *formatter) field(field string, depth int) (string, error) {
	if err := f.t.Step(1); err != nil {
		return "", err
	}
	name, conv, spec, err := splitField(field)
	if err != nil {
		return "", err
	}
	v, err := f.value(name)
	if err != nil {
		return "", err
	}
	if conv != 0 {
		if v, err = Convert(f.t, v, conv); err != nil {
			return "", err
		}
	}
	if strings.ContainsAny(spec, "{}") {
		if spec, err = f.run(spec, depth-1); err != nil {
			return "", err
		}
	}
	return Format(f.t, v, spec)
}

func splitField(field string) (name string, conv byte, spec string, err error) {
	end := len(field)
	bracket := false
	for i := 0; i < len(field) && end == len(field); i++ {
		switch c := field[i]; {
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case !bracket && (c == '!' || c == ':'):
			end = i
		case !bracket && c == '{':
			return "", 0, "", Raise(ValueError, "unexpected '{' in field name")
		}
	}
	name, rest := field[:end], field[end:]
	if strings.HasPrefix(rest, "!") {
		if len(rest) < 2 {
			return "", 0, "", Raise(ValueError, "unmatched '{' in format spec")
		}
		conv, rest = rest[1], rest[2:]
		if rest != "" && rest[0] != ':' {
			return "", 0, "", Raise(ValueError, "expected ':' after conversion specifier")
		}
	}
	return name, conv, strings.TrimPrefix(rest, ":"), nil
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

// value resolves a field name such as 0.attr[key].
func (f *formatter) value(name string) (Value, error) {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	v, err := f.first(name[:end])
	if err != nil {
		return nil, err
	}
	for rest := name[end:]; rest != ""; {
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			if end == 0 {
				return nil, Raise(ValueError, "Empty attribute in format string")
			}
			if v, err = GetAttr(f.t, v, rest[1:end+1]); err != nil {
				return nil, err
			}
			rest = rest[end+1:]
			continue
		}
		end := strings.IndexByte(rest, ']')
		if rest[0] != '[' || end < 0 {
			return nil, Raise(ValueError, "Missing ']' in format string")
		}
		if v, err = f.item(v, rest[1:end]); err != nil {
			return nil, err
		}
		rest = rest[end+1:]
		if rest != "" && rest[0] != '.' && rest[0] != '[' {
			return nil, Raise(ValueError, "Only '.' or '[' may follow ']' in format field specifier")
		}
	}
	return v, nil
}

func (f *formatter) item(v Value, key string) (Value, error) {
	if key == "" {
		return nil, Raise(ValueError, "Empty attribute in format string")
	}
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
