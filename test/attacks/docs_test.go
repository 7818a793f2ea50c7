package attacks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const document = "../../docs/development/attacks.md"

// docs/development/attacks.md names every attack that is tried, and none that is not.
func TestDocumentNamesEveryAttack(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(string(text), -1) {
		named[name] = true
	}
	tried := attacks(t)
	if len(tried) < 80 {
		t.Errorf("there are %d attacks, at least 80 were meant to be", len(tried))
	}
	for name := range tried {
		if !named[name] {
			t.Errorf("%s does not name %s", document, name)
		}
	}
	for name := range named {
		if !tried[name] {
			t.Errorf("%s names %s, which does not exist", document, name)
		}
	}
}

// attacks are the tests of this package that need a lab.
func attacks(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if len(file.Comments) == 0 || file.Comments[0].List[0].Text != "//go:build e2e" {
			continue
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" {
				tests[f.Name.Name] = true
			}
		}
	}
	return tests
}
