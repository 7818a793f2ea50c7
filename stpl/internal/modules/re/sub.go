package re

import (
	"slices"
	"strconv"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/regex"
)

// part is a piece of a replacement: text, or a group.
type part struct {
	text  []rune
	group int // -1: text
}

// substitute runs sub(repl, string, count) and counts the replacements.
func substitute(t *object.Thread, p *pattern, a []object.Value) (object.Value, int, error) {
	s, err := newSubject(t, a[1])
	if err != nil {
		return nil, 0, err
	}
	limit := object.IntOr(a[2], 0)
	replace, err := replacer(t, p, a[0])
	if err != nil {
		return nil, 0, err
	}
	var out []rune
	last, n := 0, 0
	keep := func(to int) (err error) {
		out, err = appendRunes(t, out, s.runes[last:to])
		return err
	}
	if limit < 0 {
		return s.value, 0, nil
	}
	err = p.matches(t, s, 0, len(s.runes), func(m *match) (bool, error) {
		if err := keep(m.at[0]); err != nil {
			return false, err
		}
		last = m.at[1]
		n++
		out, err = replace(m, out)
		return limit == 0 || n < limit, err
	})
	if err == nil {
		err = keep(len(s.runes))
	}
	if err == nil {
		err = native.Charge(t, len(out))
	}
	if err != nil {
		return nil, 0, err
	}
	return s.join(out), n, nil
}

// replacer returns what appends the replacement of a match to the output.
func replacer(t *object.Thread, p *pattern, repl object.Value) (func(m *match, out []rune) ([]rune, error), error) {
	if object.IsCallable(repl) {
		return func(m *match, out []rune) ([]rune, error) {
			v, err := object.CallPos(t, repl, m)
			if err != nil || v == object.None {
				return out, err
			}
			_, isBytes, err := native.TextOrBytes(v)
			if err != nil || isBytes != m.s.bytes {
				return nil, object.Raise(object.TypeError, "expected str instance, %s found", object.TypeName(v))
			}
			r, err := newSubject(t, v)
			if err != nil {
				return nil, err
			}
			return appendRunes(t, out, r.runes)
		}, nil
	}
	parts, err := parseReplacement(t, p, repl)
	if err != nil {
		return nil, err
	}
	return func(m *match, out []rune) ([]rune, error) { return m.expand(t, parts, out) }, nil
}

// expand appends a replacement with its groups filled in.
func (m *match) expand(t *object.Thread, parts []part, out []rune) ([]rune, error) {
	var err error
	for _, p := range parts {
		r := p.text
		if p.group >= 0 {
			from, to := m.at[2*p.group], m.at[2*p.group+1]
			if from < 0 || to < 0 {
				continue
			}
			r = m.s.runes[from:to]
		}
		if out, err = appendRunes(t, out, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendRunes appends characters and charges for every buffer that this takes.
func appendRunes(t *object.Thread, out, more []rune) ([]rune, error) {
	if err := t.Work(len(more)); err != nil {
		return nil, err
	}
	if cap(out)-len(out) < len(more) {
		grow := cap(out) + len(more)
		if err := t.AllocN(cap(out)+grow, 4); err != nil {
			return nil, err
		}
		out = slices.Grow(out, grow)
	}
	return append(out, more...), nil
}

// replacement reads the text of a replacement.
type replacement struct {
	p     *pattern
	src   []rune
	i     int
	parts []part
}

func parseReplacement(t *object.Thread, p *pattern, v object.Value) ([]part, error) {
	s, err := newSubject(t, v)
	if err != nil {
		return nil, object.Raise(object.TypeError, "decoding to str: need a bytes-like object, %s found", object.TypeName(v))
	}
	if s.bytes != p.source.bytes {
		return nil, object.Raise(object.TypeError, "the replacement must be of the pattern's type, not %s", object.TypeName(v))
	}
	if err := t.AllocN(len(s.runes), 16); err != nil {
		return nil, err
	}
	r := &replacement{p: p, src: s.runes}
	for r.i < len(r.src) {
		c := r.src[r.i]
		r.i++
		if c != '\\' {
			r.text(c)
			continue
		}
		if err := r.escape(); err != nil {
			return nil, err
		}
	}
	return r.parts, nil
}

func (r *replacement) text(c rune) {
	if n := len(r.parts); n > 0 && r.parts[n-1].group < 0 {
		r.parts[n-1].text = append(r.parts[n-1].text, c)
		return
	}
	r.parts = append(r.parts, part{text: []rune{c}, group: -1})
}

func (r *replacement) fail(at int, message string) error {
	return object.Raise(errorType, "%s at position %d", message, at)
}

func (r *replacement) digit(most rune) bool {
	return r.i < len(r.src) && r.src[r.i] >= '0' && r.src[r.i] <= most
}

// escape reads what follows a backslash.
func (r *replacement) escape() error {
	at := r.i - 1
	if r.i == len(r.src) {
		return r.fail(at, "bad escape (end of pattern)")
	}
	c := r.src[r.i]
	switch {
	case c == 'g':
		r.i++
		return r.named()
	case c == '0':
		r.octal(3)
	case c >= '1' && c <= '9':
		return r.numbered(at)
	default:
		r.i++
		if i := strings.IndexRune("abfnrtv\\", c); i >= 0 {
			r.text([]rune("\a\b\f\n\r\t\v\\")[i])
			return nil
		}
		if c < 128 && native.IsLetter(byte(c)) {
			return r.fail(at, `bad escape \`+string(c))
		}
		r.text('\\')
		r.text(c)
	}
	return nil
}

func (r *replacement) octal(most int) {
	v := rune(0)
	for n := 0; n < most && r.digit('7'); n++ {
		v = v*8 + r.src[r.i] - '0'
		r.i++
	}
	r.text(v & 0xff)
}

func (r *replacement) numbered(at int) error {
	isOctal := func(i int) bool { return i < len(r.src) && r.src[i] >= '0' && r.src[i] <= '7' }
	if isOctal(r.i) && isOctal(r.i+1) && isOctal(r.i+2) {
		if r.src[r.i] > '3' {
			return r.fail(at, "octal escape value "+string(r.src[at:r.i+3])+" outside of range 0-0o377")
		}
		r.octal(3)
		return nil
	}
	n := int(r.src[r.i] - '0')
	r.i++
	if r.digit('9') {
		n = n*10 + int(r.src[r.i]-'0')
		r.i++
	}
	return r.group(n, at+1)
}

func (r *replacement) group(n, at int) error {
	if n > r.p.re.Groups {
		return r.fail(at, "invalid group reference "+strconv.Itoa(n))
	}
	r.parts = append(r.parts, part{group: n})
	return nil
}

// named reads \g<name>.
func (r *replacement) named() error {
	if r.i == len(r.src) || r.src[r.i] != '<' {
		return r.fail(r.i, "missing <")
	}
	from := r.i + 1
	end := slices.Index(r.src[from:], '>')
	if end < 0 && from < len(r.src) {
		return r.fail(from, "missing >, unterminated name")
	}
	if end <= 0 {
		return r.fail(from, "missing group name")
	}
	name := string(r.src[from : from+end])
	r.i = from + end + 1
	if n, err := strconv.Atoi(name); err == nil && n >= 0 {
		return r.group(n, from)
	}
	if !regex.IsName(name) {
		return r.fail(from, "bad character in group name "+object.PlainRepr(object.Str(name)))
	}
	n, ok := r.p.re.Names[name]
	if !ok {
		return object.Raise(object.IndexError, "unknown group name %s", object.PlainRepr(object.Str(name)))
	}
	return r.group(n, from)
}
