package object

import "mdserver/stpl/internal/format"

// Formatter is a value of another package with a format of its own.
type Formatter interface {
	Format(t *Thread, spec string) (string, error)
}

// Format returns format(v, spec).
func Format(t *Thread, v Value, spec string) (string, error) {
	if f, ok := v.(Formatter); ok {
		return f.Format(t, spec)
	}
	if spec == "" {
		return ToStr(t, v)
	}
	if err := t.Work(len(spec)); err != nil {
		return "", err
	}
	var s string
	var err error
	switch v := v.(type) {
	case Str:
		s, err = format.Text(&t.Meter, spec, string(v))
	case Bool, Int, *Big:
		i, _ := BigInt(v)
		s, err = format.Int(&t.Meter, spec, TypeName(v), i)
	case Float:
		s, err = format.Float(&t.Meter, spec, float64(v))
	default:
		err = Raise(TypeError, "unsupported format string passed to %s.__format__", TypeName(v))
	}
	return s, numberError(err)
}

// Convert applies a conversion: 's', 'r' or 'a'.
func Convert(t *Thread, v Value, conv rune) (Value, error) {
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
		return nil, Raise(ValueError, "Unknown conversion specifier %s", format.Shown(conv))
	}
	return Str(s), err
}
