package character

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
// for one: a text grows to three times its length at most. A Caser has state,
// so there is one for each call.

// Upper is str.upper.
func Upper(s string) string {
	if IsASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

// Lower is str.lower.
func Lower(s string) string {
	if IsASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

// Fold is str.casefold.
func Fold(s string) string {
	if IsASCII(s) {
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

// Capitalize is str.capitalize.
func Capitalize(s string) string {
	if s == "" {
		return s
	}
	first, n := utf8.DecodeRuneInString(s)
	return titleRune(first) + Lower(s[n:])
}

// Title is str.title: it puts the first of every run of cased characters into title
// case and the rest into lower case.
func Title(s string) string {
	var b strings.Builder
	for s != "" {
		run := strings.IndexFunc(s, func(r rune) bool { return !isCased(r) })
		if run < 0 {
			run = len(s)
		}
		b.WriteString(Capitalize(s[:run]))
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

// SwapCase is str.swapcase.
func SwapCase(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case isUpper(r):
			b.WriteString(Lower(string(r)))
		case isLower(r):
			b.WriteString(Upper(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// IsTitle is str.istitle: it reports whether title-case and upper-case
// characters follow only uncased ones, and lower-case characters only cased
// ones.
func IsTitle(s string) bool {
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
		default:
			inside = false
		}
	}
	return found
}

// AllUpper is str.isupper: the characters that have case are upper-case, and
// there is one.
func AllUpper(s string) bool { return allCased(s, isUpper, isLower) }

// AllLower is str.islower.
func AllLower(s string) bool { return allCased(s, isLower, isUpper) }

func allCased(s string, ok, bad func(rune) bool) bool {
	return strings.ContainsFunc(s, ok) && !strings.ContainsFunc(s, func(r rune) bool { return bad(r) || unicode.IsTitle(r) })
}
