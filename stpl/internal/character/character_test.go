package character

import (
	"testing"
	"unicode"
)

// The answers in this file are those of Python 3.11.

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ s, quoted, escaped string }{
		{"", "''", ""},
		{"abc", "'abc'", "abc"},
		{"it's", "\"it's\"", "it's"},
		{"say \"hi\"", "'say \"hi\"'", "say \"hi\""},
		{"it's \"x\"", "'it\\'s \"x\"'", "it's \"x\""},
		{"a\\b\n\r\t\x00\x7f", "'a\\\\b\\n\\r\\t\\x00\\x7f'", "a\\b\n\r\t\x00\x7f"},
		{"é€😀", "'é€😀'", "\\xe9\\u20ac\\U0001f600"},
		{"\u00a0\u00ad\u200b", "'\\xa0\\xad\\u200b'", "\\xa0\\xad\\u200b"},
		{"ÿĀ\uffff\U00010000", "'ÿĀ\\uffff𐀀'", "\\xff\\u0100\\uffff\\U00010000"},
		{"\x1f ~\u0080", "'\\x1f ~\\x80'", "\x1f ~\\x80"},
		{"\U000e0001", "'\\U000e0001'", "\\U000e0001"},
	} {
		if got := Quote(tt.s); got != tt.quoted || len(got) > QuotedLen(tt.s) {
			t.Errorf("Quote(%q) = %q, want %q; no longer than %d", tt.s, got, tt.quoted, QuotedLen(tt.s))
		}
		if got := Escape(tt.s); got != tt.escaped {
			t.Errorf("Escape(%q) = %q, want %q", tt.s, got, tt.escaped)
		}
	}
	for b, want := range map[string]string{
		"":                     "b''",
		"abc":                  "b'abc'",
		"it's":                 "b\"it's\"",
		"'\"":                  "b'\\'\"'",
		"\x00\n\x7f\x80\xff\\": "b'\\x00\\n\\x7f\\x80\\xff\\\\'",
	} {
		if got := QuoteBytes(b); got != want {
			t.Errorf("QuoteBytes(%q) = %q, want %q", b, got, want)
		}
	}
}

// Memory for a quoted text is charged by this length before it is made.
func TestQuotedLen(t *testing.T) {
	for s, want := range map[string]int{"": 2, "ab": 4, " ": 3, "~": 3, "\"": 3, "'": 6, "\\": 6, "\x1f": 6, "\x7f": 6, "\u0080": 12, "é": 12} {
		if got := QuotedLen(s); got != want {
			t.Errorf("QuotedLen(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestCase(t *testing.T) {
	for _, tt := range []struct{ s, upper, lower, fold, title, capitalized, swapped string }{
		{"straße", "STRASSE", "straße", "strasse", "Straße", "Straße", "STRASSE"},
		{"ǆ ǅ", "Ǆ Ǆ", "ǆ ǆ", "ǆ ǆ", "ǅ ǅ", "ǅ ǆ", "Ǆ ǅ"},
		{"ﬁn", "FIN", "ﬁn", "fin", "Fin", "Fin", "FIN"},
		{"it's o'clock", "IT'S O'CLOCK", "it's o'clock", "it's o'clock", "It'S O'Clock", "It's o'clock", "IT'S O'CLOCK"},
		{"a1b", "A1B", "a1b", "a1b", "A1B", "A1b", "A1B"},
		{"Ǆ", "Ǆ", "ǆ", "ǆ", "ǅ", "ǅ", "ǆ"},
		{"aǅ", "AǄ", "aǆ", "aǆ", "Aǆ", "Aǆ", "Aǅ"},
		{"Ⓐⓑ", "ⒶⒷ", "ⓐⓑ", "ⓐⓑ", "Ⓐⓑ", "Ⓐⓑ", "ⓐⒷ"},
		{"1a", "1A", "1a", "1a", "1A", "1a", "1A"},
		{"", "", "", "", "", "", ""},
		{"ªb", "ªB", "ªb", "ªb", "ªb", "ªb", "ªB"},
	} {
		got := []string{Upper(tt.s), Lower(tt.s), Fold(tt.s), Title(tt.s), Capitalize(tt.s), SwapCase(tt.s)}
		for i, want := range []string{tt.upper, tt.lower, tt.fold, tt.title, tt.capitalized, tt.swapped} {
			if got[i] != want {
				t.Errorf("case %d of %q is %q, want %q", i, tt.s, got[i], want)
			}
		}
	}
	for _, tt := range []struct {
		s                   string
		upper, lower, title bool
	}{
		{"A", true, false, true},
		{"a", false, true, false},
		{"A1", true, false, true},
		{"Ab", false, false, true},
		{"AB", true, false, false},
		{"ǅ", false, false, true},
		{"1", false, false, false},
		{"", false, false, false},
		{"Ab Cd", false, false, true},
		{"A'B", true, false, true},
		{"Aʰ", false, false, true},
		{"Ⓐ", true, false, true},
		{"aǅ", false, false, false},
		{"Aǅ", false, false, false},
		{"ǅa", false, false, true},
		{"1a", false, true, false},
	} {
		if u, l, ti := AllUpper(tt.s), AllLower(tt.s), IsTitle(tt.s); u != tt.upper || l != tt.lower || ti != tt.title {
			t.Errorf("%q: upper %v, lower %v, title %v", tt.s, u, l, ti)
		}
	}
}

func TestClasses(t *testing.T) {
	for _, tt := range []struct {
		r                                          rune
		digit, numeric, space, printable, endsLine bool
	}{
		{'1', true, true, false, true, false},
		{'²', true, true, false, true, false},
		{'½', false, true, false, true, false},
		{'٣', true, true, false, true, false},
		{'一', false, true, false, true, false},
		{'丂', false, false, false, true, false},
		{'Ⅷ', false, true, false, true, false},
		{'①', true, true, false, true, false},
		{'፩', true, true, false, true, false},
		{'a', false, false, false, true, false},
		{' ', false, false, true, true, false},
		{'\u001c', false, false, true, false, true},
		{'\u0085', false, false, true, false, true},
		{'\u00a0', false, false, true, false, false},
		{'\u200b', false, false, false, false, false},
	} {
		got := []bool{IsDigit(tt.r), IsNumeric(tt.r), IsSpace(tt.r), IsPrintable(tt.r), IsLineEnd(tt.r)}
		for i, want := range []bool{tt.digit, tt.numeric, tt.space, tt.printable, tt.endsLine} {
			if got[i] != want {
				t.Errorf("class %d of %q: %v", i, tt.r, got[i])
			}
		}
	}
	digits := "²³¹፩፪፫፬፭፮፯፰፱᧚⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉①②③④⑤⑥⑦⑧⑨⑴⑵⑶⑷⑸⑹⑺⑻⑼⒈⒉⒊⒋⒌⒍⒎⒏⒐⓪⓵⓶⓷⓸⓹⓺⓻⓼⓽⓿❶❷❸❹❺❻❼❽❾➀➁➂➃➄➅➆➇➈➊➋➌➍➎➏➐➑➒" +
		"\U00010a40\U00010a41\U00010a42\U00010a43\U00010e60\U00010e61\U00010e62\U00010e63\U00010e64\U00010e65\U00010e66\U00010e67\U00010e68" +
		"\U00011052\U00011053\U00011054\U00011055\U00011056\U00011057\U00011058\U00011059\U0001105a🄀🄁🄂🄃🄄🄅🄆🄇🄈🄉🄊"
	spaces := "\t\n\v\f\r\x1c\x1d\x1e\x1f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
	ends := "\n\v\f\r\x1c\x1d\x1e\u0085\u2028\u2029"
	for name, class := range map[string]struct {
		is  func(rune) bool
		all string
	}{
		"digits":    {func(r rune) bool { return IsDigit(r) && !unicode.IsDigit(r) }, digits},
		"spaces":    {IsSpace, spaces},
		"line ends": {IsLineEnd, ends},
	} {
		var all []rune
		for r := range rune(unicode.MaxRune + 1) {
			if class.is(r) {
				all = append(all, r)
			}
		}
		if string(all) != class.all {
			t.Errorf("%s are %q, want %q", name, string(all), class.all)
		}
	}
	for s, want := range map[string]bool{
		"a": true, "_1": true, "é٣": true, "1a": false, "": false, "a b": false, "class": true,
		"\u037a": false, "\u2160x": true, "a·": true, "·": false, "x\u0301": true,
	} {
		if got := IsIdentifier(s); got != want {
			t.Errorf("IsIdentifier(%q) = %v", s, got)
		}
	}
	for s, want := range map[string]string{"a٣𝟡é5": "a39é5", "１２": "12", "٠٩": "09", "𝟎𝟗𝟘𝟡": "0909", "é²": "é²"} {
		if got := ASCIIDigits(s); got != want {
			t.Errorf("digits of %q are %q", s, got)
		}
	}
	for s, want := range map[string]bool{"": true, "a\x7f": true, "\u0080": false, "aé": false, "éa": false} {
		if got := IsASCII(s); got != want {
			t.Errorf("IsASCII(%q) = %v", s, got)
		}
	}
	for i, want := range map[int]int{0: 0, 1: 1, 2: 3, 3: 4, 9: 4} {
		if got := Offset("aéb", i); got != want {
			t.Errorf("character %d is at %d, want %d", i, got, want)
		}
	}
}
