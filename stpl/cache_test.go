package stpl

import (
	"fmt"
	"strings"
	"testing"
)

func TestCompiledTemplatesAreKeptWithinABound(t *testing.T) {
	engine := New(Options{})
	compile := func(name, source string) *Template {
		t.Helper()
		made, err := engine.Compile(name, source)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	first := compile("web", "{{a}}")
	if compile("web", "{{a}}") != first {
		t.Error("the same source was compiled twice")
	}
	if compile("web", "{{b}}") == first {
		t.Error("another source got the old template")
	}
	text := strings.Repeat("x", 1<<20)
	for i := range 100 {
		compile(fmt.Sprint(i), text)
	}
	if n := engine.compiled.entries.Len(); engine.compiled.weight > maxCompiledBytes || n < 20 || n > 40 {
		t.Errorf("%d templates of 2 MiB are kept, %d bytes", n, engine.compiled.weight)
	}
	huge := compile("huge", strings.Repeat("x", maxCompiledBytes))
	if compile("huge", huge.source) != huge || engine.compiled.entries.Len() != 1 {
		t.Error("one that is too large by itself is not kept alone")
	}
}
