package modules

import (
	"strings"
	"unicode"
)

// split cuts a text into the chunks between which a line may break: runs of
// white space, words, and the parts of hyphenated words.
func (w *wrapper) split(s []rune) [][]rune {
	var chunks [][]rune
	for i := 0; i < len(s); {
		end := w.chunkEnd(s, i)
		chunks = append(chunks, s[i:end])
		i = end
	}
	return chunks
}

func (w *wrapper) chunkEnd(s []rune, i int) int {
	if isWrapSpace(s[i]) {
		for i < len(s) && isWrapSpace(s[i]) {
			i++
		}
		return i
	}
	if !w.atHyphens {
		for i < len(s) && !isWrapSpace(s[i]) {
			i++
		}
		return i
	}
	if end := dashEnd(s, i); end > 0 {
		return end
	}
	for j := i + 1; j < len(s); j++ {
		switch {
		case breaksAfter(s, j):
			return j + 1
		case isWrapSpace(s[j]) || dashEnd(s, j) > 0:
			return j
		}
	}
	return len(s)
}

// dashEnd returns the end of a dash of two or more hyphens between words that
// begins at i, 0 if there is none.
func dashEnd(s []rune, i int) int {
	// what is before it comes first, so that a run of hyphens is looked at once
	if i == 0 || s[i] != '-' || !isWord(s[i-1]) && !strings.ContainsRune(`!"'&.,?`, s[i-1]) {
		return 0
	}
	j := i
	for j < len(s) && s[j] == '-' {
		j++
	}
	if j-i < 2 || j == len(s) || !isWord(s[j]) {
		return 0
	}
	return j
}

// breaksAfter reports a hyphen at j between letters.
func breaksAfter(s []rune, j int) bool {
	if s[j] != '-' || !letterAt(s, j-1) {
		return false
	}
	if !letterAt(s, j-2) && !(at(s, j-2) == '-' && letterAt(s, j-3)) {
		return false
	}
	return letterAt(s, j+1) && (letterAt(s, j+2) || at(s, j+2) == '-' && letterAt(s, j+3))
}

func at(s []rune, i int) rune {
	if i < 0 || i >= len(s) {
		return 0
	}
	return s[i]
}

func letterAt(s []rune, i int) bool {
	r := at(s, i)
	return isWord(r) && !unicode.IsDigit(r)
}

// isWord is \w.
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}
