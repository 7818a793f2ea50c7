package text

import (
	"strings"
	"unicode"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/object"
)

func strTest(name string, empty bool, f func(rune) bool) *object.Builtin {
	return strTestText(name, func(s string) bool {
		return (s != "" || empty) && !strings.ContainsFunc(s, func(r rune) bool { return !f(r) })
	})
}

func strTestText(name string, f func(string) bool) *object.Builtin {
	return object.Method(name, "/", func(t *object.Thread, s object.Str, _ []object.Value) (object.Value, error) {
		return object.Bool(f(string(s))), t.Work(len(s))
	})
}

func strTests() []*object.Builtin {
	return []*object.Builtin{
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
func strMap(name string, f func(string) string) *object.Builtin {
	return object.NewBuiltin(name, "/", func(t *object.Thread, a []object.Value) (object.Value, error) {
		s := string(a[0].(object.Str))
		if err := t.AllocN(len(s), 3); err != nil {
			return nil, err
		}
		return object.Str(f(s)), t.Work(4 * len(s))
	})
}

func strCases() []*object.Builtin {
	return []*object.Builtin{
		strMap("upper", character.Upper),
		strMap("lower", character.Lower),
		strMap("casefold", character.Fold),
		strMap("title", character.Title),
		strMap("capitalize", character.Capitalize),
		strMap("swapcase", character.SwapCase),
	}
}
