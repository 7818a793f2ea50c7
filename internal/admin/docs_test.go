package admin

import (
	"os"
	"strings"
	"testing"
)

// What is answered on the control socket is in the reference.
func TestRoutesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/http.md")
	if err != nil {
		t.Fatal(err)
	}
	_, reference, ok := strings.Cut(string(text), "## On the control socket")
	if !ok {
		t.Fatal("docs/reference/http.md has no part on the control socket")
	}
	for pattern := range (Backend{}).routes() {
		if !strings.Contains(reference, "`"+pattern+"`") && !strings.Contains(reference, "`"+pattern+"?") {
			t.Errorf("docs/reference/http.md does not describe %s", pattern)
		}
	}
}
