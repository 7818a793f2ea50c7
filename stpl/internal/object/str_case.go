package object

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

func isUpper(r rune) bool { return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r) }
func isLower(r rune) bool { return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r) }
func isCased(r rune) bool { return isUpper(r) || isLower(r) || unicode.IsTitle(r) }

// The case mappings are Unicode's full ones, which may give several characters
// for one. A Caser has state, so there is one for each call.

func upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

func casefold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Fold().String(s)
}

// titleRune is the title case of one character.
func titleRune(r rune) string {
	if r < utf8.RuneSelf {
		return string(unicode.ToUpper(r))
	}
	return cases.Title(language.Und, cases.NoLower).String(string(r))
}

func capitalize(s string) string {
	if s == "" {
		return s
	}
	first, n := utf8.DecodeRuneInString(s)
	return titleRune(first) + lower(s[n:])
}

// title puts the first of every run of cased characters into title case and
// the rest into lower case.
func title(s string) string {
	var b strings.Builder
	for s != "" {
		run := strings.IndexFunc(s, func(r rune) bool { return !isCased(r) })
		if run < 0 {
			run = len(s)
		}
		b.WriteString(capitalize(s[:run]))
		s = s[run:]
		gap := strings.IndexFunc(s, isCased)
		if gap < 0 {
			gap = len(s)
		}
		b.WriteString(s[:gap])
		s = s[gap:]
	}
	return b.String()
}

func swapCase(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case isUpper(r):
			b.WriteString(lower(string(r)))
		case isLower(r):
			b.WriteString(upper(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isTitle reports whether title-case and upper-case characters follow only
// uncased ones, and lower-case characters only cased ones.
func isTitle(s string) bool {
	found, inside := false, false
	for _, r := range s {
		switch {
		case isUpper(r) || unicode.IsTitle(r):
			if inside {
				return false
			}
			found, inside = true, true
		case isLower(r):
			if !inside {
				return false
			}
			found = true
		default:
			inside = false
		}
	}
	return found
}

// cased makes a test of the characters that have case; there must be one.
func cased(name string, ok, bad func(rune) bool) *Builtin {
	return strTestText(name, func(s string) bool {
		return strings.ContainsFunc(s, ok) && !strings.ContainsFunc(s, func(r rune) bool { return bad(r) || unicode.IsTitle(r) })
	})
}

// strMap makes a method of a function from text to text that may be three
// times as long.
func strMap(name string, f func(string) string) *Builtin {
	return NewBuiltin(name, "/", func(t *Thread, a []Value) (Value, error) {
		s := string(a[0].(Str))
		if err := t.AllocN(len(s), 3); err != nil {
			return nil, err
		}
		return Str(f(s)), t.Work(4 * len(s))
	})
}

func strCases() []*Builtin {
	return []*Builtin{
		strMap("upper", upper),
		strMap("lower", lower),
		strMap("casefold", casefold),
		strMap("title", title),
		strMap("capitalize", capitalize),
		strMap("swapcase", swapCase),
	}
}
