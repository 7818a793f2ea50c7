// Package nearest finds the word that was probably meant by a mistyped one.
package nearest

import (
	"iter"
	"strings"
)

// maxLength is the length of the longest text that is compared, in bytes.
const maxLength = 256

// Word is the word that differs least from text, or empty if all differ a lot. Of
// several equally near words it is the first.
func Word(text string, words iter.Seq[string]) string {
	if len(text) > maxLength {
		return ""
	}
	best, least := "", Limit(text)
	for word := range words {
		if d := Distance(strings.ToLower(text), strings.ToLower(word)); d < least {
			best, least = word, d
		}
	}
	return best
}

// Limit is the distance that is too large for a suggestion.
func Limit(text string) int { return len(text)/2 + 1 }

// Distance is the Levenshtein distance of a and b in bytes.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
