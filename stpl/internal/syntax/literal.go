package syntax

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// numberValue reads a number literal.
func numberValue(text string) (any, string) {
	digits := strings.ReplaceAll(text, "_", "")
	isDecimal := len(digits) < 2 || digits[0] != '0' || strings.IndexByte("xXoObB", digits[1]) < 0
	switch {
	case isDecimal && strings.ContainsAny(digits, ".eE"):
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil && f == 0 {
			return nil, "invalid decimal literal"
		}
		return f, ""
	case isDecimal && len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0") != "":
		return nil, "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers"
	case len(digits) > 4300:
		return nil, "integer literal of more than 4300 digits"
	}
	if i, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return i, ""
	}
	i, ok := new(big.Int).SetString(digits, 0)
	if !ok {
		return nil, "invalid number literal"
	}
	return i, ""
}

// literal is a string token taken apart.
type literal struct {
	body   string
	raw    bool
	bytes  bool
	format bool
}

func splitLiteral(text string) literal {
	n := strings.IndexAny(text, `'"`)
	prefix := strings.ToLower(text[:n])
	q := 1
	if len(text) >= n+6 && text[n] == text[n+1] && text[n] == text[n+2] {
		q = 3
	}
	body := strings.ReplaceAll(text[n+q:len(text)-q], "\r\n", "\n")
	return literal{
		body:   body,
		raw:    strings.Contains(prefix, "r"),
		bytes:  strings.Contains(prefix, "b"),
		format: strings.Contains(prefix, "f"),
	}
}

// value decodes the escapes of a literal that is no f-string.
func (l literal) value() (any, string) {
	if l.bytes {
		for i := range len(l.body) {
			if l.body[i] >= utf8.RuneSelf {
				return nil, "bytes can only contain ASCII literal characters"
			}
		}
	}
	s, msg := l.unescape(l.body)
	if msg != "" {
		return nil, msg
	}
	if l.bytes {
		return Bytes(s), ""
	}
	return s, ""
}

func (l literal) unescape(s string) (string, string) {
	if l.raw || !strings.Contains(s, `\`) {
		return s, ""
	}
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		n, msg := l.escape(&b, s[i:])
		if msg != "" {
			return "", msg
		}
		s = s[i+n:]
	}
	return b.String(), ""
}

var simpleEscapes = map[byte]string{
	'\n': "", '\\': `\`, '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f",
	'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
}

// escape writes the character of the escape that s begins with and returns
// the escape's length.
func (l literal) escape(b *strings.Builder, s string) (int, string) {
	c := s[1]
	if e, ok := simpleEscapes[c]; ok {
		b.WriteString(e)
		return 2, ""
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	switch {
	case c >= '0' && c <= '7':
		n := 1
		for n < 4 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		v, _ := strconv.ParseUint(s[1:n], 8, 32)
		l.put(b, rune(v))
		return n, ""
	case digits > 0 && (c == 'x' || !l.bytes):
		return l.hexEscape(b, s, digits)
	case c == 'N' && !l.bytes:
		return 0, `\N{…} is not supported: write the character itself or \u with its number`
	}
	b.WriteString(s[:2])
	return 2, ""
}

func (l literal) put(b *strings.Builder, r rune) {
	if l.bytes {
		b.WriteByte(byte(r))
	} else {
		b.WriteRune(r)
	}
}

func (l literal) hexEscape(b *strings.Builder, s string, width int) (int, string) {
	if len(s) < 2+width {
		return 0, `truncated \` + s[1:2] + " escape"
	}
	v, err := strconv.ParseUint(s[2:2+width], 16, 32)
	if err != nil {
		return 0, `truncated \` + s[1:2] + " escape"
	}
	if v > utf8.MaxRune || !utf8.ValidRune(rune(v)) {
		return 0, "a lone surrogate or a number that is no character in a string literal"
	}
	l.put(b, rune(v))
	return 2 + width, ""
}
