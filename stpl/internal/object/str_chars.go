package object

import (
	"strings"
	"unicode"

	"mdserver/stpl/internal/character"
)

func strTest(name string, empty bool, f func(rune) bool) *Builtin {
	return strTestText(name, func(s string) bool {
		return (s != "" || empty) && !strings.ContainsFunc(s, func(r rune) bool { return !f(r) })
	})
}

func strTestText(name string, f func(string) bool) *Builtin {
	return Method(name, "/", func(t *Thread, s Str, _ []Value) (Value, error) { return Bool(f(string(s))), t.Work(len(s)) })
}

func strTests() []*Builtin {
	return []*Builtin{
		strTest("isalpha", false, unicode.IsLetter),
		strTest("isdigit", false, character.IsDigit),
		strTest("isdecimal", false, unicode.IsDigit),
		strTest("isnumeric", false, character.IsNumeric),
		strTest("isalnum", false, func(r rune) bool { return unicode.IsLetter(r) || character.IsNumeric(r) }),
		strTest("isspace", false, character.IsSpace),
		strTest("isascii", true, func(r rune) bool { return r < 0x80 }),
		strTest("isprintable", true, character.IsPrintable),
		strTestText("isupper", character.AllUpper),
		strTestText("islower", character.AllLower),
		strTestText("istitle", character.IsTitle),
		strTestText("isidentifier", character.IsIdentifier),
	}
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
		strMap("upper", character.Upper),
		strMap("lower", character.Lower),
		strMap("casefold", character.Fold),
		strMap("title", character.Title),
		strMap("capitalize", character.Capitalize),
		strMap("swapcase", character.SwapCase),
	}
}
