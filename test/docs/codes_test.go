package docs

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference/codes.md")

const codesHead = `# Codes of findings

` + "`mdserver doctor --json`" + ` and ` + "`mdserver explain --json`" + ` give each problem a code. The code of a kind of problem stays the same
when its text changes. Codes of errors are in [Commands](commands.md#error-codes).

`

// findingCode is one kind of finding in a source file.
type findingCode struct{ name, state, text string }

// TestCodesAreDocumented holds docs/reference/codes.md to the codes in the sources.
func TestCodesAreDocumented(t *testing.T) {
	doctor := codesIn(t, "../../internal/doctor/*/*.go", map[string]coder{"Fail": {0, "wrong"}, "Warn": {0, "warning"}})
	explain := codesIn(t, "../../internal/explain/*.go", map[string]coder{"add": {1, ""}, "lacks": {0, ""}})
	if len(doctor) < 50 || len(explain) < 10 {
		t.Fatalf("only %d codes of doctor and %d of explain were found", len(doctor), len(explain))
	}
	var page bytes.Buffer
	page.WriteString(codesHead)
	page.WriteString("## doctor\n\nThese are values of the field `code` of a finding. The code `not_checked` means that a check could not be made. A finding without a problem has no code.\n\n" +
		"| code | state | finding |\n|---|---|---|\n")
	for _, c := range doctor {
		fmt.Fprintf(&page, "| `%s` | %s | %s |\n", c.name, c.state, c.text)
	}
	page.WriteString("\n## explain\n\nThese are values of the field `code` in the list `problems`. That list has the texts of the list `missing`, with their codes.\n\n| code | text |\n|---|---|\n")
	for _, c := range explain {
		fmt.Fprintf(&page, "| `%s` | %s |\n", c.name, c.text)
	}
	const file = "../../docs/reference/codes.md"
	if *update {
		if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, page.Bytes()) {
		t.Errorf("%s differs from the sources (%v); run go test ./test/docs -update", file, err)
	}
}

// coder is a function that has a code as one argument, and the format of its text
// as the next.
type coder struct {
	at    int // of the code
	state string
}

// codesIn reads the calls of functions with a code. A code may have several texts.
func codesIn(t *testing.T, pattern string, functions map[string]coder) []findingCode {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var all []findingCode
	fset := token.NewFileSet()
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		constants := map[string]string{}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if len(n.Values) == 1 {
					constants[n.Names[0].Name] = literal(n.Values[0], constants)
				}
			case *ast.CallExpr:
				c, known := functions[called(n)]
				if known && len(n.Args) > c.at+1 && literal(n.Args[c.at+1], constants) != "" {
					all = append(all, newCode(t, literal(n.Args[c.at], constants), c.state, literal(n.Args[c.at+1], constants)))
				}
			}
			return true
		})
	}
	slices.SortStableFunc(all, func(a, b findingCode) int { return strings.Compare(a.name, b.name) })
	return all
}

// called is the name of the function that is called, without its package.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

var snakeCase = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

func newCode(t *testing.T, name, state, format string) findingCode {
	t.Helper()
	if !snakeCase.MatchString(name) {
		t.Errorf("the code %q of %q is not in snake case", name, format)
	}
	text := regexp.MustCompile(`%[a-z]`).ReplaceAllString(format, "…")
	return findingCode{name, state, strings.NewReplacer("%%", "%", "|", `\|`, "<", "&lt;").Replace(text)}
}

// literal is the text of a string literal, of several that are joined, or of a
// constant of the same file; empty for anything else.
func literal(e ast.Expr, constants map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.BinaryExpr:
		return literal(e.X, constants) + literal(e.Y, constants)
	case *ast.Ident:
		return constants[e.Name]
	}
	return ""
}
