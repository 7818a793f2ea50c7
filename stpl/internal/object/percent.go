package object

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/format"
)

// percentFormat computes format % args.
func percentFormat(t *Thread, s string, args Value, bytes bool) (string, error) {
	if err := t.Work(len(s)); err != nil {
		return "", err
	}
	p := &percent{t: t, out: Builder{t: t}, whole: s, s: s, bytes: bytes, args: args}
	if tuple, ok := args.(Tuple); ok {
		p.list = tuple
	} else {
		p.list = []Value{args}
	}
	return p.run()
}

type percent struct {
	t     *Thread
	whole string
	s     string // what is left of it
	args  Value
	list  []Value
	next  int
	named bool
	bytes bool
	out   Builder
}

func (p *percent) run() (string, error) {
	for {
		i := strings.IndexByte(p.s, '%')
		if i < 0 {
			break
		}
		_ = p.out.Write(p.s[:i])
		p.s = p.s[i+1:]
		text, err := p.directive()
		if err != nil {
			return "", numberError(err)
		}
		if err := p.out.Write(text); err != nil {
			return "", err
		}
	}
	_ = p.out.Write(p.s)
	if p.next < len(p.list) && !p.named && !p.mapping() {
		kind := "string"
		if p.bytes {
			kind = "bytes"
		}
		return "", Raise(TypeError, "not all arguments converted during %s formatting", kind)
	}
	return p.out.Text()
}

// mapping reports whether the argument is one for %(name)s: anything that can
// be indexed, but text of the format's own kind.
func (p *percent) mapping() bool {
	switch p.args.(type) {
	case *Dict, *List, *Range:
		return true
	case Bytes:
		return !p.bytes
	}
	return false
}

// argument returns the next positional argument.
func (p *percent) argument() (Value, error) {
	if p.next >= len(p.list) {
		return nil, Raise(TypeError, "not enough arguments for format string")
	}
	p.next++
	return p.list[p.next-1], nil
}

func (p *percent) directive() (string, error) {
	var v Value
	plain := strings.HasPrefix(p.s, "%") // with anything between, %% is no directive
	if strings.HasPrefix(p.s, "(") {
		var err error
		if v, err = p.lookup(); err != nil {
			return "", err
		}
	}
	f := format.Spec{Fill: ' ', Precision: -1}
	left, rest := f.CutFlags(p.s)
	p.s = rest
	if err := p.number(&f.Width); err != nil {
		return "", err
	}
	if f.Width < 0 {
		left, f.Width = true, -f.Width
	}
	if strings.HasPrefix(p.s, ".") {
		p.s = p.s[1:]
		f.Precision = 0
		if err := p.number(&f.Precision); err != nil {
			return "", err
		}
		f.Precision = max(f.Precision, 0)
	}
	p.s = strings.TrimLeft(p.s, "hlL")
	if p.s == "" {
		return "", Raise(ValueError, "incomplete format")
	}
	verb, n := utf8.DecodeRuneInString(p.s)
	p.s = p.s[n:]
	if plain && verb == '%' {
		return "%", nil
	}
	if v == nil {
		var err error
		if v, err = p.argument(); err != nil {
			return "", err
		}
	}
	f.Verb = verb
	switch {
	case left:
		f.Align = '<'
	case f.Zero && strings.ContainsRune("diuxXoeEfFgG", verb):
		f.Fill, f.Align = '0', '='
	}
	return p.convert(&f, v)
}

func (p *percent) lookup() (Value, error) {
	name, rest, err := format.CutKey(p.s)
	if err != nil {
		return nil, err
	}
	if !p.mapping() {
		return nil, Raise(TypeError, "format requires a mapping")
	}
	var key Value = Str(name)
	if p.bytes {
		key = Bytes(name)
	}
	p.s = rest
	p.named, p.next = true, len(p.list)
	return Index(p.t, p.args, key)
}

func (p *percent) number(n *int) error {
	if strings.HasPrefix(p.s, "*") {
		p.s = p.s[1:]
		v, err := p.argument()
		if err != nil {
			return err
		}
		i, ok := AsInt(v)
		if !ok {
			return Raise(TypeError, "* wants int")
		}
		if i > format.MaxWidth || i < -format.MaxWidth {
			return Raise(ValueError, "width too big")
		}
		*n = int(i)
		return nil
	}
	i, rest, err := format.CutNumber(p.s)
	if err != nil {
		return err
	}
	p.s = rest
	if i >= 0 {
		*n = i
	}
	return nil
}

func (p *percent) convert(f *format.Spec, v Value) (string, error) {
	switch f.Verb {
	case 's', 'r', 'a', 'b':
		return p.text(f, v)
	case 'c':
		return p.char(f, v)
	case 'd', 'i', 'u', 'x', 'X', 'o':
		return p.integer(f, v)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		x, ok := AsFloat(v)
		if !ok {
			return "", Raise(TypeError, "must be real number, not %s", TypeName(v))
		}
		return f.Float(&p.t.Meter, x)
	}
	return "", p.unsupported(f.Verb)
}

func (p *percent) unsupported(verb rune) error {
	index := utf8.RuneCountInString(p.whole) - utf8.RuneCountInString(p.s) - 1
	shown := verb
	if verb < 0x1f || verb > 0x7e {
		shown = '?'
	}
	return Raise(ValueError, "unsupported format character '%c' (0x%x) at index %d", shown, verb, index)
}

func (p *percent) text(f *format.Spec, v Value) (string, error) {
	if f.Verb == 'b' && !p.bytes {
		return "", p.unsupported('b')
	}
	var s string
	if p.bytes && (f.Verb == 's' || f.Verb == 'b') {
		b, ok := v.(Bytes)
		if !ok {
			return "", Raise(TypeError, "%%b requires a bytes-like object, or an object that implements __bytes__, not '%s'", TypeName(v))
		}
		s = string(b)
	} else {
		converted, err := Convert(p.t, v, f.Verb)
		if err != nil {
			return "", err
		}
		s = Text(converted)
	}
	if f.Precision >= 0 {
		s = s[:character.Offset(s, f.Precision)]
	}
	return f.Pad(&p.t.Meter, "", s, '>')
}

func (p *percent) char(f *format.Spec, v Value) (string, error) {
	s, _ := v.(Str)
	i, ok := AsInt(v)
	switch {
	case utf8.RuneCountInString(string(s)) == 1:
		return f.Pad(&p.t.Meter, "", string(s), '>')
	case !ok:
		return "", Raise(TypeError, "%%c requires int or char")
	case i < 0 || i > 0x10ffff:
		return "", Raise(OverflowError, "%%c arg not in range(0x110000)")
	}
	return f.Pad(&p.t.Meter, "", string(rune(i)), '>')
}

func (p *percent) integer(f *format.Spec, v Value) (string, error) {
	if i, ok := v.(Int); ok && f.Verb == 'd' && f.Sign == 0 && f.Width == 0 && f.Precision < 0 { // the usual case
		return strconv.FormatInt(int64(i), 10), nil
	}
	i, ok := BigInt(v)
	decimal := f.Verb == 'd' || f.Verb == 'i' || f.Verb == 'u'
	if x, has := v.(Integer); has && decimal {
		i, ok = x.Integer(), true
	}
	if !ok {
		x, isF := v.(Float)
		if !isF || !decimal {
			want := "an integer is required"
			if decimal {
				want = "a real number is required"
			}
			return "", Raise(TypeError, "%%%c format: %s, not %s", f.Verb, want, TypeName(v))
		}
		n, err := FloatToInt(float64(x))
		if err != nil {
			return "", err
		}
		i, _ = BigInt(n)
	}
	return f.Digits(&p.t.Meter, i)
}
