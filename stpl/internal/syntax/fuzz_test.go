package syntax

import (
	"strings"
	"testing"
	"time"

	"mdserver/stpl/internal/scan"
)

var seeds = []string{
	"", "plain text", "{{x}} {{!y}} {{'}}'}}", "{{f'{x!r:>{w}} {y=}'}}", "% if x:\n{{x}}\n% elif y == 'a':\n% else:\nno\n% end\n",
	"% for a, *b in f(*x, y=1, **z):\n% break\n% end\n", "<% def f(a, /, b=1, *c, d, **e):\nreturn a[1:2, ::-1]\nend %>",
	"% try:\n% x = [i for i in y if i]\n% except (A, B) as e:\n% raise\n% finally:\n% pass\n% end\n",
	"% x: int = {1: 2, **y}; z = {*a}; del x[0], z\n", "% from a import (b as c, d)\n% import os.path as p\n", "% class A:\n% end\n",
	"% @d\n% def f(): return lambda x, *y: (yield)\n", "% x = '''a\nb'''\n% y = \"\\x41\\u00e9\\N{x}\"\n", "\\\\\n%% x\n\\% y\n", "% (((((\n",
	"% if x:\n% while y: x -= 1\n", "% x = 1__0 + 0x + 1e5 + 0b2 + .5 + 5j\n", "% not in is not lambda: ** // -> := ...\n", "% global x; nonlocal y; assert z, 'm'\n",
}

// checkLines walks over a tree and reports lines that the source does not have.
func checkLines(t *testing.T, source string, body []Stmt, errs []*Error) {
	t.Helper()
	lines := strings.Count(source, "\n") + 1
	for _, e := range errs {
		if e.Line < 1 || e.Line > lines {
			t.Errorf("%v in a source of %d lines", e, lines)
		}
		if e.Message == "" || e.Kind == "" {
			t.Errorf("an empty error: %v", e)
		}
	}
	for _, s := range body {
		Walk(s, func(n Node) bool {
			if n.Line() < 1 || n.Line() > lines {
				t.Errorf("%T in line %d of %d", n, n.Line(), lines)
			}
			return true
		})
	}
}

// FuzzParse looks for input that makes the parser panic, hang or place a node
// outside of the source.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		began := time.Now()
		body, errs := Parse(scan.Pieces(source, scan.DefaultSyntax))
		checkLines(t, source, body, errs)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%d bytes took %v", len(source), took)
		}
	})
}

// TestParseIsBounded gives the parser sources that nest or go on for very
// long. It refuses them, or reads them in time that grows with their length.
func TestParseIsBounded(t *testing.T) {
	const n = 20_000
	blocks := func(open string) string {
		var b strings.Builder
		for range n / 10 {
			b.WriteString("% " + open + "\n")
		}
		return b.String()
	}
	line := func(s string) string { return "% x = " + s + "\n" }
	tests := []struct {
		name, source string
		refused      bool
	}{
		{"brackets", line(strings.Repeat("(", n)), true},
		{"closed brackets", line(strings.Repeat("[", n) + strings.Repeat("]", n)), true},
		{"calls of calls", line("f" + strings.Repeat("(f", n)), true},
		{"blocks", blocks("if x:"), true},
		{"blocks of functions", blocks("def f():"), true},
		{"refused blocks", blocks("class A:"), true},
		{"broken blocks", blocks("while :"), true},
		{"elif", "% if x:\n" + blocks("elif y:") + "% end\n", true},
		{"not", line(strings.Repeat("not ", n) + "x"), true},
		{"minus", line(strings.Repeat("-", n) + "x"), true},
		{"powers", line(strings.Repeat("2**", n) + "2"), true},
		{"lambdas", line(strings.Repeat("lambda:", n) + "2"), true},
		{"conditions", line(strings.Repeat("1 if 2 else ", n) + "2"), true},
		{"sums", line(strings.Repeat("1+", n) + "2"), true},
		{"attributes", line("x" + strings.Repeat(".a", n)), true},
		{"calls", line("x" + strings.Repeat("()", n)), true},
		{"clauses", line("[x" + strings.Repeat(" for x in y", n) + "]"), true},
		{"nested f-strings", line("f'{" + strings.Repeat("f\"{", n) + "'"), true},
		{"fields", line("f'" + strings.Repeat("{x}", n) + "'"), false},
		{"comparisons", line(strings.Repeat("1 < ", n) + "2"), false},
		{"or", line(strings.Repeat("x or ", n) + "2"), false},
		{"a list", line("[" + strings.Repeat("1,", n) + "]"), false},
		{"statements", strings.Repeat("% x = 1\n", n/10), false},
		{"targets", "% " + strings.Repeat("x = ", n) + "1\n", false},
		{"strings", line(strings.Repeat("'a' ", n)), false},
		{"open strings", "% x = " + strings.Repeat(`'\`, n) + "\n", true},
		{"open long strings", "% x = " + strings.Repeat(`"""\`, n) + "\n", true},
		{"long strings over lines", "<%\n" + strings.Repeat("'''\\\n", n/10) + "x\n", true},
		{"open strings over lines", "<%\n" + strings.Repeat("\"'''\\\n", n/10), true},
		{"open strings in text", strings.Repeat(`{{'\`, n), false},
		{"open expressions", strings.Repeat("{{", n), false},
		{"a line", strings.Repeat("{{x}}", n), false},
		{"comments", strings.Repeat("% # x\n", n), false},
		{"errors", strings.Repeat("% )\n", n/10), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			body, errs := Parse(scan.Pieces(tt.source, scan.DefaultSyntax))
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if (len(errs) > 0) != tt.refused {
				t.Errorf("%d errors, first %.100v", len(errs), errs)
			}
			checkLines(t, tt.source, body, errs)
		})
	}
}
