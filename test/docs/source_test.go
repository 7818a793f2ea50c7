package docs

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// source is a parsed file of Go. Its path is relative to the top of the sources.
type source struct {
	path  string
	files *token.FileSet
	*ast.File
}

// place is the file and line of a node.
func (s source) place(node ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.files.Position(node.Pos()).Line)
}

// sources returns the server's files of Go, without tests.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 300 {
		t.Fatalf("there are %d files only", len(all))
	}
	return all
}

// parsed parses the files once for all tests.
var parsed = sync.OnceValues(func() (all []source, err error) {
	for _, dir := range []string{"cmd", "internal", "stpl"} {
		err = errors.Join(err, filepath.WalkDir(filepath.Join(top, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			path, err = filepath.Rel(top, path)
			all = append(all, source{path, files, file})
			return err
		}))
	}
	return all, err
})

// The texts in the sources use none of the patterns that the documentation must
// not use: errors, log messages, help, and what doctor and explain find.
func TestProseOfMessages(t *testing.T) {
	messages := 0
	for _, s := range sources(t) {
		ast.Inspect(s.File, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.ImportSpec, *ast.Field: // paths, and tags of structures
				return false
			case *ast.BasicLit:
				if text, err := strconv.Unquote(node.Value); err == nil && node.Kind == token.STRING && strings.Contains(text, " ") {
					messages++
					checkProse(t, s.place(node), text)
				}
			}
			return true
		})
	}
	if messages < 2000 {
		t.Errorf("found %d texts only", messages)
	}
}

// quoted is a name in a comment: in quotes, or of another package.
var quoted = regexp.MustCompile(`"[^"]*"|\w+\.\w+`)

// The comments do not either, apart from quoted names and the name that each
// begins with.
func TestProseOfComments(t *testing.T) {
	for _, s := range sources(t) {
		for _, comment := range s.Comments {
			_, text, _ := strings.Cut(strings.Join(strings.Fields(comment.Text()), " "), " ")
			checkProse(t, s.place(comment), quoted.ReplaceAllString(text, "NAME"))
		}
	}
}
