package frontendtest

import (
	"os"
	"regexp"
	"testing"
)

// Documented checks that the reference of HTTP has these names. Call it from a
// package directly below internal/frontend.
func Documented(t *testing.T, names ...string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/reference/http.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		// a whole segment of a path, in code
		if !regexp.MustCompile("`[^`\n]*\\b" + regexp.QuoteMeta(name) + "\\b[^`\n]*`").Match(text) {
			t.Errorf("docs/reference/http.md does not describe %s", name)
		}
	}
}
