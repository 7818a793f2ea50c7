package object

import (
	"strings"
	"unicode"
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

func isDecimal(r rune) bool { return unicode.Is(unicode.Nd, r) }

func isDigit(r rune) bool {
	if isDecimal(r) {
		return true
	}
	if r < 0x80 {
		return false
	}
	for _, b := range digitBlocks {
		if r >= b[0] && r <= b[1] {
			return true
		}
	}
	return strings.ContainsRune(otherDigits, r)
}

func isNumeric(r rune) bool {
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

func strTest(name string, empty bool, f func(rune) bool) *Builtin {
	return strTestText(name, func(s string) bool {
		return (s != "" || empty) && !strings.ContainsFunc(s, func(r rune) bool { return !f(r) })
	})
}

func strTestText(name string, f func(string) bool) *Builtin {
	return Method(name, "/", func(t *Thread, s Str, _ []Value) (Value, error) { return Bool(f(string(s))), t.Work(len(s)) })
}

func strTests() []*Builtin {
	letter := unicode.IsLetter
	return []*Builtin{
		strTest("isalpha", false, letter),
		strTest("isdigit", false, isDigit),
		strTest("isdecimal", false, isDecimal),
		strTest("isnumeric", false, isNumeric),
		strTest("isalnum", false, func(r rune) bool { return letter(r) || isNumeric(r) }),
		strTest("isspace", false, isSpace),
		strTest("isascii", true, func(r rune) bool { return r < 0x80 }),
		strTest("isprintable", true, printable),
		cased("isupper", isUpper, isLower),
		cased("islower", isLower, isUpper),
		strTestText("istitle", isTitle),
		strTestText("isidentifier", IsIdentifier),
	}
}
