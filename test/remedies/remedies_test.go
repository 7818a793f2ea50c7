package remedies

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each finding and each command of doctor is in the table, and the table has
// nothing else.
func TestTableIsComplete(t *testing.T) {
	source, err := ReadSource("../../internal/doctor")
	if err != nil {
		t.Fatal(err)
	}
	if len(source.Findings) < 50 || len(source.Commands) < 50 {
		t.Fatalf("only %d findings and %d commands were found in the code", len(source.Findings), len(source.Commands))
	}
	var findings, commands []string
	for _, row := range Table {
		findings = append(findings, row.Finding)
		commands = append(commands, row.Commands...)
	}
	for _, f := range source.Findings {
		if !slices.Contains(findings, f) {
			t.Errorf("the table has no row for the finding %q", f)
		}
	}
	for _, f := range findings {
		if !slices.Contains(source.Findings, f) {
			t.Errorf("no code has the finding %q", f)
		}
	}
	// Some command lines are made of several pieces.
	known := func(piece string) bool {
		return slices.Contains(Looks, piece) || slices.ContainsFunc(commands, func(c string) bool { return strings.Contains(c, piece) })
	}
	for _, c := range source.Commands {
		if !known(strings.TrimSpace(c)) && !slices.Contains(pieces, c) {
			t.Errorf("the table has no row for the command %q", c)
		}
	}
	for _, c := range commands {
		if !slices.ContainsFunc(source.Commands, func(piece string) bool { return strings.Contains(c, strings.TrimSpace(piece)) && piece != "%s" }) {
			t.Errorf("no code has the command %q", c)
		}
	}
	for _, place := range source.Unquoted {
		t.Errorf("%s: a command is put together by +, and its words are not quoted: use command, virsh or mdserver", place)
	}
}

// pieces are formats of command that are no command of their own.
var pieces = []string{"%s", " --config %s", "virsh --connect %s "}

// Each row is run by a test, or says why none can.
func TestRowsHaveTests(t *testing.T) {
	tests := testsIn(t, "../e2e", "../host")
	keys := map[string]bool{}
	for _, row := range Table {
		if keys[row.Key()] {
			t.Errorf("there are two rows for %q with %q", row.Finding, row.Commands)
		}
		keys[row.Key()] = true
		switch {
		case (row.Test == "") == (row.Why == ""):
			t.Errorf("%q: there must be either a test or the reason why there is none", row.Finding)
		case row.Test != "" && !tests[row.Test]:
			t.Errorf("%q: there is no test %s that covers its rows of the table", row.Finding, row.Test)
		}
	}
}

// testsIn lists the tests that call Covers, which holds them against the table.
func testsIn(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && callsCovers(f) {
					found[f.Name.Name] = true
				}
			}
		}
	}
	return found
}

func callsCovers(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && called(call) == "Covers" {
			found = true
		}
		return true
	})
	return found
}

// A word of a command is one word, whatever it is.
func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		format, text string
		want         bool
	}{
		{"virsh net-start %s", "virsh net-start mds", true},
		{"virsh net-start %s", "virsh --connect 'qemu:///session' net-start 'my net'", true},
		{"virsh net-start %s", "virsh net-autostart mds", false},
		{"mdserver reload", "mdserver reload --config /srv/mdserver.conf", true},
		{"mdserver reload", "mdserver reload; rm -rf /", false},
		{"chmod 600 %s", "chmod 600 /a", true},
		{"printf '%%s\\n' %s > /b", "printf '%s\\n' a > /b", true},
	} {
		if got := matches(tt.format, tt.text); got != tt.want {
			t.Errorf("%q is %q: %v, want %v", tt.text, tt.format, got, tt.want)
		}
	}
}
