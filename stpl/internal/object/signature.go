package object

import (
	"slices"
	"strconv"
	"strings"
)

// Takes reports whether a call with so many positional arguments and these
// keywords fits the signature.
func (b *Builtin) Takes(positional int, keywords []string) bool {
	if positional > b.sig.pos && !b.sig.star {
		return false
	}
	given := 0
	for i, p := range b.sig.params {
		byName := slices.Contains(keywords, p.name) && i >= b.sig.posOnly
		switch byPosition := i < positional && !p.kwOnly; {
		case byName && byPosition:
			return false
		case byName:
			given++
		case !byPosition && !p.optional:
			return false
		}
	}
	return b.sig.starStar || given == len(keywords)
}

type parameter struct {
	name     string
	kind     string // of the values it takes: str, int, size, float, bytes; empty: any
	orNone   bool   // None is as good as no argument
	optional bool
	kwOnly   bool
}

type signature struct {
	params   []parameter
	pos      int // how many can be given by position
	posOnly  int // how many can be given by position only
	star     bool
	starStar bool
	typed    bool // a parameter has a kind
}

func parseSignature(spec string) signature {
	var s signature
	kwOnly := false
	for _, w := range strings.Fields(spec) {
		switch {
		case strings.HasPrefix(w, "**"):
			s.starStar = true
		case w == "/":
			s.posOnly = len(s.params)
		case w == "*":
			kwOnly = true
		case strings.HasPrefix(w, "*"):
			s.star, kwOnly = true, true
		default:
			name, optional := strings.CutSuffix(w, "?")
			name, kind, typed := strings.Cut(name, ":")
			kind, orNone := strings.CutPrefix(kind, "none+")
			s.params = append(s.params, parameter{name, kind, orNone, optional, kwOnly})
			s.typed = s.typed || typed
			if !kwOnly {
				s.pos++
			}
		}
	}
	return s
}

// checkTypes compares arguments with the kinds that their parameters take.
func (d *definition) checkTypes(args []Value) error {
	for i, p := range d.sig.params {
		v := args[i]
		if v == nil || p.orNone && v == None {
			continue
		}
		ok := true
		switch p.kind {
		case "str":
			_, ok = v.(Str)
		case "bytes":
			_, ok = v.(Bytes)
		case "int":
			ok = isInt(v)
		case "size":
			if _, ok = AsInt(v); !ok && isInt(v) {
				return Raise(OverflowError, "Python int too large to convert to C ssize_t")
			}
		case "float":
			if ok = isNumber(v); ok {
				if err := bigFits(v); err != nil {
					return err
				}
			}
		}
		if !ok {
			return d.wrongType(i, v)
		}
	}
	return nil
}

// Around returns a function with the same parameters. Its body gets the arguments
// unchecked, and run, which checks those that it is given and runs the body of b.
func (b *Builtin) Around(body func(t *Thread, run Func, a []Value) (Value, error)) *Builtin {
	run := func(t *Thread, a []Value) (Value, error) {
		if err := b.checkTypes(a[1:]); err != nil {
			return nil, err
		}
		return b.fn(t, a)
	}
	sig := b.sig
	sig.typed = false
	return &Builtin{definition: &definition{Name: b.Name, sig: sig, python: b.python, fn: func(t *Thread, a []Value) (Value, error) { return body(t, run, a) }}}
}

// wrongType says that the i-th argument cannot be v, as CPython does.
func (d *definition) wrongType(i int, v Value) error {
	p := &d.sig.params[i]
	given := TypeName(v)
	switch p.kind {
	case "int", "size":
		return Raise(TypeError, "'%s' object cannot be interpreted as an integer", given)
	case "float":
		return Raise(TypeError, "must be real number, not %s", given)
	case "bytes":
		return Raise(TypeError, "a bytes-like object is required, not '%s'", given)
	}
	if v == None {
		given = "None"
	}
	which := ""
	switch {
	case i >= d.sig.posOnly:
		which = " '" + p.name + "'"
	case len(d.sig.params) > 1:
		which = " " + strconv.Itoa(i+1)
	}
	return Raise(TypeError, "%s() argument%s must be str, not %s", d.Name, which, given)
}

// Text returns the text of an argument that is a str, empty if it was not given.
func Text(v Value) string {
	s, _ := v.(Str)
	return string(s)
}

// IntOr returns an argument that is an int, or def if it was not given. Values
// beyond the range of int are clamped.
func IntOr(v Value, def int) int {
	if v == nil || v == None {
		return def
	}
	n, _ := IndexArg(v) // the signature wants an int
	return n
}

// OrNone returns an optional argument, or None.
func OrNone(v Value) Value {
	if v == nil {
		return None
	}
	return v
}

// Flag returns the truth of an argument, false if it was not given.
func Flag(v Value) bool { return v != nil && Truthy(v) }
