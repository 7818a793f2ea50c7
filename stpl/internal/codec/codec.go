// Package codec turns text into bytes and back, in the encodings of Python and
// with its words for what cannot be done.
package codec

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
)

// Codec is one encoding. What is done about characters and bytes that it does not
// have is one of Python's error handlers: strict, ignore, replace and others.
type Codec interface {
	Encode(s, errors string) (string, error)
	Decode(b, errors string) (string, error)
	// Size is how much memory Encode may take for a text of n bytes.
	Size(n int) int
}

// UnknownError is the error of a name that Python does not know: of an encoding or of
// an error handler.
type UnknownError string

func (e UnknownError) Error() string { return string(e) }

func unknownHandler(name string) error {
	return UnknownError("unknown error handler name '" + name + "'")
}

// Find returns the encoding that Python knows by a name.
func Find(name string) (Codec, error) {
	key := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if w, ok := findWide(key); ok {
		return w, nil
	}
	if n, ok := findNarrow(key); ok {
		return n, nil
	}
	return nil, UnknownError("unknown encoding: " + name)
}

// decodeWith decodes s from a place on. Next reads the first character of a text
// and its length in bytes, or returns a reason why the bytes are not one.
func decodeWith(name, s string, at int, errors string, next func(s string) (r rune, n int, reason string)) (string, error) {
	var b strings.Builder
	for at < len(s) {
		r, n, reason := next(s[at:])
		if reason == "" {
			b.WriteRune(r)
		} else if err := decodeProblem(&b, name, s, at, n, reason, errors); err != nil {
			return "", err
		}
		at += n
	}
	return b.String(), nil
}

// decodeProblem does what errors says about n bytes that cannot be decoded.
func decodeProblem(b *strings.Builder, name, s string, at, n int, reason, errors string) error {
	switch errors {
	case "ignore":
	case "replace":
		b.WriteRune(utf8.RuneError)
	case "backslashreplace":
		for _, c := range []byte(s[at : at+n]) {
			b.Write(character.AppendEscape(nil, rune(c)))
		}
	case "strict":
		what := fmt.Sprintf("byte 0x%02x in position %d", s[at], at)
		if n > 1 {
			what = fmt.Sprintf("bytes in position %d-%d", at, at+n-1)
		}
		return fmt.Errorf("'%s' codec can't decode %s: %s", name, what, reason)
	default:
		return unknownHandler(errors)
	}
	return nil
}
