// Package character knows characters as Python does: their classes, their case,
// and how a text is quoted.
package character

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// otherDigits are the characters with a digit's value that are no decimal
// digits; the blocks below hold nothing but such digits.
const otherDigits = "²³¹᧚⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉⓪⓿🄀"

var digitBlocks = [][2]rune{
	{'፩', '፱'}, {'①', '⑨'}, {'⑴', '⑼'}, {'⒈', '⒐'}, {'⓵', '⓽'}, {'❶', '❾'}, {'➀', '➈'}, {'➊', '➒'},
	{0x10a40, 0x10a43}, {0x10e60, 0x10e68}, {0x11052, 0x1105a}, {0x1f101, 0x1f10a},
}

// hanNumbers are the letters that stand for numbers.
const hanNumbers = "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零" +
	"\uf96b\uf973\uf978\uf9b2\uf9d1\uf9d3\uf9fd\U00020001\U00020064\U000200e2\U00020121\U0002092a\U00020983\U0002098c\U0002099c" +
	"\U00020aea\U00020afd\U00020b19\U00022390\U00022998\U00023b1b\U0002626d\U0002f890"

// IsDigit is str.isdigit of one character. str.isdecimal is unicode.IsDigit.
func IsDigit(r rune) bool {
	if r < utf8.RuneSelf || unicode.IsDigit(r) {
		return unicode.IsDigit(r)
	}
	for _, b := range digitBlocks {
		if r >= b[0] && r <= b[1] {
			return true
		}
	}
	return strings.ContainsRune(otherDigits, r)
}

// IsNumeric is str.isnumeric of one character.
func IsNumeric(r rune) bool {
	return unicode.IsNumber(r) || unicode.IsLetter(r) && r > 0x3000 && strings.ContainsRune(hanNumbers, r)
}

// IsIdentifier is str.isidentifier: keywords count, too.
func IsIdentifier(s string) bool {
	for i, r := range s {
		start := r == '_' || unicode.IsLetter(r) && r != 0x37a || unicode.Is(unicode.Nl, r)
		more := unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc) || r == '·'
		if !start && (i == 0 || !more) {
			return false
		}
	}
	return s != ""
}

var keywords = map[string]bool{
	"False": true, "None": true, "True": true, "and": true, "as": true, "assert": true, "async": true,
	"await": true, "break": true, "class": true, "continue": true, "def": true, "del": true, "elif": true,
	"else": true, "except": true, "finally": true, "for": true, "from": true, "global": true, "if": true,
	"import": true, "in": true, "is": true, "lambda": true, "nonlocal": true, "not": true, "or": true,
	"pass": true, "raise": true, "return": true, "try": true, "while": true, "with": true, "yield": true,
}

// IsKeyword is keyword.iskeyword.
func IsKeyword(s string) bool { return keywords[s] }

// IsSpace is str.isspace of one character.
func IsSpace(r rune) bool {
	return r >= 0x1c && r <= 0x1f || unicode.IsSpace(r)
}

// IsLineEnd is where str.splitlines splits.
func IsLineEnd(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

// ASCIIDigits replaces decimal digits of other scripts.
func ASCIIDigits(s string) string {
	if IsASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if d, ok := digitValue(r); ok {
			return '0' + rune(d)
		}
		return r
	}, s)
}

// digitValue returns the value of a decimal digit of any script: in each
// script the ten digits follow one another.
func digitValue(r rune) (int, bool) {
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	for _, rg := range unicode.Nd.R16 {
		if uint32(r) >= uint32(rg.Lo) && uint32(r) <= uint32(rg.Hi) {
			return int(uint32(r)-uint32(rg.Lo)) % 10, true
		}
	}
	for _, rg := range unicode.Nd.R32 {
		if uint32(r) >= rg.Lo && uint32(r) <= rg.Hi {
			return int(uint32(r)-rg.Lo) % 10, true
		}
	}
	return 0, false
}

// IsPrintable is str.isprintable of one character.
func IsPrintable(r rune) bool { return unicode.IsPrint(r) }

// IsASCII reports whether characters of s are bytes.
func IsASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Offset converts a character index into a byte index, at most that of the end.
func Offset(s string, i int) int {
	at := 0
	for ; i > 0 && at < len(s); i-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}
