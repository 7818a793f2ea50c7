package visible

import (
	"io"
	"unicode/utf8"
)

// Writer passes text on to W, and escapes everything that is not visible except
// line breaks and tabs. It is the safety net below the output of commands; line
// breaks in a value must be escaped before, by String. Close it at the end.
type Writer struct {
	W io.Writer

	rest []byte // the beginning of a character
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	end := len(text) - unfinished(text)
	if err := w.pass(text[:end]); err != nil {
		return 0, err
	}
	w.rest = append([]byte(nil), text[end:]...)
	return len(p), nil
}

// Close passes on what is left of an unfinished character. It does not close W.
func (w *Writer) Close() error {
	rest := w.rest
	w.rest = nil
	return w.pass(rest)
}

func (w *Writer) pass(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := w.W.Write(appendText(make([]byte, 0, len(text)), string(text), ofText))
	return err
}

func ofText(char string, r rune) bool { return r == '\n' || r == '\t' || shown(char, r) }

// unfinished is the number of bytes at the end that may become a character with
// what follows.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		last := text[len(text)-n:]
		if utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}
