package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// No command prints but by package output.
func TestCommandsPrintByOnePlace(t *testing.T) {
	for _, file := range commandFiles(t) {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, _ := call.X.(*ast.Ident)
			name := call.Sel.Name
			if from != nil && (from.Name == "fmt" && (strings.HasPrefix(name, "Fprint") || strings.HasPrefix(name, "Print")) ||
				from.Name == "os" && (name == "Stdout" || name == "Stderr") || from.Name == "io" && name == "WriteString") {
				t.Errorf("%s: %s.%s passes by package output", fset.Position(n.Pos()), from.Name, name)
			}
			return true
		})
	}
}

// commandFiles are the sources of all commands.
func commandFiles(t *testing.T) []string {
	var files []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "output" || path == "testdata"):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil || len(files) < 60 {
		t.Fatal(files, err)
	}
	return files
}
