package text

import (
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Shlex makes the module shlex.
func Shlex() native.Members {
	m := native.Functions(
		native.Func("quote", "s", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s, ok := a[0].(object.Str)
			if !ok {
				return nil, object.Raise(object.TypeError, "expected string or bytes-like object, got '%s'", object.TypeName(a[0]))
			}
			return object.NewStr(quote(t, string(s)))
		}),
		native.Func("join", "split_command", func(t *object.Thread, a []object.Value) (object.Value, error) {
			b := object.NewBuilder(t)
			sep := ""
			err := object.Each(t, a[0], func(v object.Value) error {
				word, err := native.Text(v)
				if err != nil {
					return err
				}
				quoted, err := quote(t, word)
				if err != nil {
					return err
				}
				err = b.Write(sep + quoted)
				sep = " "
				return err
			})
			return object.Str(b.String()), err
		}),
		native.Func("split", "s:str comments? posix?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s := object.Text(a[0])
			if !native.Truth(a[2], true) {
				return nil, object.Raise(object.NotImplementedError, "shlex.split has only posix=True in templates")
			}
			return split(t, s, native.Truth(a[1], false))
		}),
	)
	native.Refuse(m, "shlex", "use shlex.split", "shlex")
	return m
}

const safe = "@%+=:,./-_"

// quote quotes what is more than letters, digits and safe signs.
func quote(t *object.Thread, s string) (string, error) {
	if err := native.Charge(t, 6*len(s)); err != nil {
		return "", err
	}
	unsafe := func(r rune) bool {
		return r >= 0x80 || !native.IsLetter(byte(r)) && (r < '0' || r > '9') && !strings.ContainsRune(safe, r)
	}
	if s != "" && !strings.ContainsFunc(s, unsafe) {
		return s, nil
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'", nil
}

// split reads words as a POSIX shell does.
func split(t *object.Thread, s string, comments bool) (object.Value, error) {
	if err := native.Charge(t, 2*len(s)); err != nil {
		return nil, err
	}
	words := object.NewList(nil)
	var word strings.Builder
	quote, inWord := byte(0), false
	end := func() error {
		if !inWord {
			return nil
		}
		w := object.Str(word.String())
		word.Reset()
		inWord = false
		return words.Append(t, w)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == '\'' && c != '\'' || quote == '"' && c != '"' && c != '\\':
			word.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\':
			if i++; i == len(s) {
				return nil, object.Raise(object.ValueError, "No escaped character")
			}
			if quote == '"' && s[i] != '"' && s[i] != '\\' {
				word.WriteByte('\\')
			}
			word.WriteByte(s[i])
			inWord = true
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case strings.IndexByte(" \t\r\n", c) >= 0:
			if err := end(); err != nil {
				return nil, err
			}
		case c == '#' && comments:
			if err := end(); err != nil {
				return nil, err
			}
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return words, nil
			}
			i += n
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, object.Raise(object.ValueError, "No closing quotation")
	}
	return words, end()
}
