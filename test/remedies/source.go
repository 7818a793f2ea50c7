package remedies

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// Source is what the code of doctor says: the formats of all findings
// that are no good news, and of all command lines.
type Source struct {
	Findings, Commands []string
	Codes              []string // of Findings
	Unquoted           []string // places where a command line is put together by hand
}

// ReadSource reads the code of the packages of doctor below a directory.
func ReadSource(dir string) (Source, error) {
	var s Source
	fset := token.NewFileSet()
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				s.read(fset, call)
			}
			return true
		})
		return nil
	})
	return s, err
}

func (s *Source) read(fset *token.FileSet, call *ast.CallExpr) {
	switch name := called(call); name {
	case "Fail", "Warn":
		s.Codes = append(s.Codes, format(call.Args[0]))
		s.Findings = append(s.Findings, format(call.Args[1]))
	case "Command":
		s.Commands = append(s.Commands, format(call.Args[0]))
	case "Virsh", "Mdserver":
		s.Commands = append(s.Commands, strings.ToLower(name)+" "+format(call.Args[1]))
	case "Mend":
		for _, arg := range call.Args {
			switch arg := arg.(type) {
			case *ast.BasicLit:
				s.Commands = append(s.Commands, format(arg))
			case *ast.BinaryExpr:
				s.Unquoted = append(s.Unquoted, fmt.Sprint(fset.Position(arg.Pos())))
			}
		}
	}
}

// called is the name of the function or method that is called.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// format is a string as the code has it; what is no constant is %s.
func format(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text
		}
	case *ast.BinaryExpr:
		return format(e.X) + format(e.Y)
	}
	return "%s"
}
