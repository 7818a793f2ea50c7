package faults

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

// Every test that docs/development/faults.md names exists.
func TestDocumentNamesTests(t *testing.T) {
	const document = "../../docs/development/faults.md"
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(string(text), -1)
	if len(names) < 10 {
		t.Errorf("%s names %d tests", document, len(names))
	}
	known := map[string]bool{}
	for _, dir := range []string{".", "../e2e", "../../internal"} {
		for name := range testsBelow(t, dir) {
			known[name] = true
		}
	}
	for _, name := range names {
		if !known[name] {
			t.Errorf("%s names %s, which does not exist", document, name)
		}
	}
}

// testsBelow returns the names of the tests in a directory and those below it.
func testsBelow(t *testing.T, dir string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
