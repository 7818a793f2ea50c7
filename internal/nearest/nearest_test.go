package nearest_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/nearest"
)

func TestWord(t *testing.T) {
	words := []string{"web1", "web2", "database", "mail"}
	for text, want := range map[string]string{
		"wbe1":                            "web1",
		"WEB2":                            "web2",
		"databse":                         "database",
		"web":                             "web1",
		"maill":                           "mail",
		"x":                               "",
		"":                                "",
		"printers":                        "",
		"we":                              "", // two of four letters are a lot
		"dbs":                             "", // as are two of three
		"mAIL":                            "mail",
		strings.Repeat("x", 252) + "web1": "", // as long as may be
	} {
		if got := nearest.Word(text, slices.Values(words)); got != want {
			t.Errorf("the word nearest to %q is %q, want %q", text, got, want)
		}
	}
}

// Words are compared without regard to case, and found as they are written.
func TestWordInCapitals(t *testing.T) {
	if got := nearest.Word("database", slices.Values([]string{"mail", "DATABASE"})); got != "DATABASE" {
		t.Errorf("%q", got)
	}
}

// Comparing costs the product of both lengths, so a text that is too long is not compared.
func TestLongText(t *testing.T) {
	for length, want := range map[int]bool{256: true, 257: false} {
		text := strings.Repeat("x", length)
		if got := nearest.Word(text, slices.Values([]string{text})); (got == text) != want {
			t.Errorf("%d characters are compared: %v, want %v", length, got == text, want)
		}
	}
}

// TestDistance checks the measure against its definition's own laws.
func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"port", "prot", 2}, {"port", "", 4}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"abc", "xabc", 1}} {
		if got := nearest.Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q is %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	word := func() string {
		b := make([]byte, rand.IntN(8))
		for i := range b {
			b[i] = "abc"[rand.IntN(3)]
		}
		return string(b)
	}
	for range 2000 {
		a, b, c := word(), word(), word()
		if nearest.Distance(a, b) != nearest.Distance(b, a) || nearest.Distance(a, c) > nearest.Distance(a, b)+nearest.Distance(b, c) || (nearest.Distance(a, b) == 0) != (a == b) {
			t.Fatalf("%q %q %q: %d %d %d", a, b, c, nearest.Distance(a, b), nearest.Distance(b, c), nearest.Distance(a, c))
		}
	}
}
