package scan

import (
	"strings"
	"testing"
	"time"
)

// FuzzPieces looks for input that makes the scanner panic, hang, lose its
// place or make text up.
func FuzzPieces(f *testing.F) {
	for _, s := range []string{
		"", "a\nb", "{{x}}", "{{!x}} {{'}}'}}", "% x\n", "  % x # c\r\n", "<% a\nb %> c\n", "%% x\n\\% y\n", "\\\\\n",
		"% if x:\n  a\n% else:\n% end\n", "% '''a\nb''' ; end\n", "% include('a')\n% include a b=1\n% rebase x\n% include\n", "<% x %>\n<%\n", "{{\"", "% [\n% ]\n", "\x00\xff%",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		began := time.Now()
		pieces := Pieces(source, DefaultSyntax)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%d bytes took %v", len(source), took)
		}
		lines := strings.Count(source, "\n") + 1
		last, size := 1, 0
		for _, p := range pieces {
			if p.Line < last || p.Line > lines {
				t.Errorf("a piece of line %d after line %d of %d", p.Line, last, lines)
			}
			if p.Indent < 0 {
				t.Errorf("a piece at depth %d", p.Indent)
			}
			last = p.Line
			if p.Text == nil {
				size += len(p.Code)
				continue
			}
			for _, part := range p.Text.Parts {
				if part.Line < p.Line || part.Line > lines {
					t.Errorf("a part of line %d in a text of line %d", part.Line, p.Line)
				}
				if !part.IsExpr && !strings.Contains(source, strings.TrimSuffix(part.Literal, "\n")) && !strings.ContainsAny(source, `\%`) {
					t.Errorf("text %q is not in the source", part.Literal)
				}
				size += len(part.Literal) + len(part.Expr)
			}
		}
		if size > 2*len(source)+20*len(pieces) {
			t.Errorf("%d bytes of source gave %d", len(source), size)
		}
	})
}
