package object

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// percentFormat computes format % args.
func percentFormat(t *Thread, format string, args Value, bytes bool) (string, error) {
	if err := t.Work(len(format)); err != nil {
		return "", err
	}
	p := &percent{t: t, out: Builder{t: t}, whole: format, s: format, bytes: bytes, args: args}
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
			return "", err
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
	f := formatSpec{fill: ' ', precision: -1}
	left := p.flags(&f)
	if err := p.number(&f.width); err != nil {
		return "", err
	}
	if f.width < 0 {
		left, f.width = true, -f.width
	}
	if strings.HasPrefix(p.s, ".") {
		p.s = p.s[1:]
		f.precision = 0
		if err := p.number(&f.precision); err != nil {
			return "", err
		}
		f.precision = max(f.precision, 0)
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
	f.verb = verb
	if left {
		f.align, f.zero = '<', false
	}
	return p.convert(&f, v)
}

func (p *percent) lookup() (Value, error) {
	depth, end := 0, -1
	for i := 0; i < len(p.s) && end < 0; i++ {
		switch p.s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				end = i
			}
		}
	}
	if end < 0 {
		return nil, Raise(ValueError, "incomplete format key")
	}
	if !p.mapping() {
		return nil, Raise(TypeError, "format requires a mapping")
	}
	var key Value = Str(p.s[1:end])
	if p.bytes {
		key = Bytes(p.s[1:end])
	}
	p.s = p.s[end+1:]
	p.named, p.next = true, len(p.list)
	return Index(p.t, p.args, key)
}

func (p *percent) flags(f *formatSpec) (left bool) {
	for p.s != "" {
		switch p.s[0] {
		case '-':
			left = true
		case '+':
			f.sign = '+'
		case ' ':
			if f.sign == 0 {
				f.sign = ' '
			}
		case '#':
			f.alt = true
		case '0':
			f.zero = true
		default:
			return left
		}
		p.s = p.s[1:]
	}
	return left
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
		if i > maxWidth || i < -maxWidth {
			return Raise(ValueError, "width too big")
		}
		*n = int(i)
		return nil
	}
	i, rest, err := cutNumber(p.s)
	if err != nil {
		return err
	}
	p.s = rest
	if i >= 0 {
		*n = i
	}
	return nil
}

func (p *percent) convert(f *formatSpec, v Value) (string, error) {
	switch f.verb {
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
		if f.zero {
			f.fill, f.align = '0', '='
		}
		return f.float(p.t, x, v)
	}
	return "", p.unsupported(f.verb)
}

func (p *percent) unsupported(verb rune) error {
	index := runeLen(p.whole) - runeLen(p.s) - 1
	return Raise(ValueError, "unsupported format character '%c' (0x%x) at index %d", verb, verb, index)
}

func (p *percent) text(f *formatSpec, v Value) (string, error) {
	if f.verb == 'b' && !p.bytes {
		return "", p.unsupported('b')
	}
	var s string
	if p.bytes && (f.verb == 's' || f.verb == 'b') {
		b, ok := v.(Bytes)
		if !ok {
			return "", Raise(TypeError, "%%b requires a bytes-like object, or an object that implements __bytes__, not '%s'", TypeName(v))
		}
		s = string(b)
	} else {
		converted, err := Convert(p.t, v, byte(f.verb))
		if err != nil {
			return "", err
		}
		s = Text(converted)
	}
	if f.precision >= 0 {
		s = s[:byteOffset(s, f.precision)]
	}
	return f.pad(p.t, "", s, '>')
}

func (p *percent) char(f *formatSpec, v Value) (string, error) {
	if s, ok := v.(Str); ok {
		if runeLen(string(s)) == 1 {
			return f.pad(p.t, "", string(s), '>')
		}
		return "", Raise(TypeError, "%%c requires int or char")
	}
	i, ok := AsInt(v)
	if !ok {
		return "", Raise(TypeError, "%%c requires int or char")
	}
	if i < 0 || i > 0x10ffff {
		return "", Raise(OverflowError, "%%c arg not in range(0x110000)")
	}
	return f.pad(p.t, "", string(rune(i)), '>')
}

func (p *percent) integer(f *formatSpec, v Value) (string, error) {
	if i, ok := v.(Int); ok && f.verb == 'd' && f.sign == 0 && f.width == 0 && f.precision < 0 { // the usual case
		return strconv.FormatInt(int64(i), 10), nil
	}
	i, ok := BigInt(v)
	decimal := f.verb == 'd' || f.verb == 'i' || f.verb == 'u'
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
			return "", Raise(TypeError, "%%%c format: %s, not %s", f.verb, want, TypeName(v))
		}
		n, err := FloatToInt(float64(x))
		if err != nil {
			return "", err
		}
		i, _ = BigInt(n)
	}
	base, prefix := 10, ""
	switch f.verb {
	case 'x', 'X':
		base, prefix = 16, "0"+string(f.verb)
	case 'o':
		base, prefix = 8, "0o"
	}
	if f.zero {
		f.fill, f.align = '0', '='
	}
	if f.precision < 0 {
		return f.integer(p.t, i, base, prefix)
	}
	return p.precise(f, i, base, prefix)
}

// precise pads the digits with zeros to the precision.
func (p *percent) precise(f *formatSpec, i *big.Int, base int, prefix string) (string, error) {
	g := formatSpec{fill: '0', align: '=', width: f.precision, verb: f.verb, precision: -1}
	digits, err := g.integer(p.t, new(big.Int).Abs(i), base, "")
	if err != nil {
		return "", err
	}
	if !f.alt {
		prefix = ""
	}
	return f.pad(p.t, f.signText(i.Sign() < 0)+prefix, digits, '>')
}
