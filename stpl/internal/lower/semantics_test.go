package lower_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/stpl/internal/builtins"
	"mdserver/stpl/internal/lower"
	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/scan"
	"mdserver/stpl/internal/syntax"
)

// A semantics case: code, and what Python 3.11 answers. The format is that of
// testdata/semantics/generate.py.
type semanticsCase struct {
	line int
	code []string
	want []string
}

// TestSemantics runs the table of what a real Python answered.
func TestSemantics(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "semantics", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no table: %v", err)
	}
	total := 0
	seen := map[string]bool{}
	for _, file := range files {
		topic := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(topic, func(t *testing.T) {
			for _, c := range readCases(t, file) {
				total++
				want := c.want
				if d, ok := deviations[strings.Join(c.code, "\n")]; ok {
					seen[strings.Join(c.code, "\n")] = true
					if slices.Equal(d.got, want) {
						t.Errorf("%s:%d: listed as a deviation, but Python answers the same", file, c.line)
					}
					want = d.got
				}
				if got := answer(t.Context(), c.code); !slices.Equal(got, want) {
					t.Errorf("%s:%d:\n%s\ngot\n%s\nwant\n%s", file, c.line, strings.Join(c.code, "\n"), strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		})
	}
	if total < 600 {
		t.Errorf("the table has %d cases only", total)
	}
	if len(seen) != len(deviations) {
		t.Errorf("%d deviations are listed, %d are in the table", len(deviations), len(seen))
	}
}

func readCases(t *testing.T, file string) (out []semanticsCase) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	answered := true
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '>':
			if answered {
				out = append(out, semanticsCase{line: i + 1})
				answered = false
			}
			last := &out[len(out)-1]
			last.code = append(last.code, strings.TrimPrefix(line[1:], " "))
		default:
			answered = true
			last := &out[len(out)-1]
			last.want = append(last.want, line)
		}
	}
	return out
}

// pieces turns indented lines of Python into what the scanner makes of a
// template's code.
func pieces(code []string) (out []scan.Piece) {
	for i, line := range code {
		text := strings.TrimLeft(line, " ")
		out = append(out, scan.Piece{Indent: (len(line) - len(text)) / 4, Line: i + 1, Code: text})
	}
	return out
}

var caseLimits = meter.Limits{Steps: 5_000_000, Memory: 64 << 20, Output: 1 << 20, Time: 10 * time.Second, Recursion: 200}

// answer runs a case and returns its answer in the form of the table.
func answer(ctx context.Context, code []string) []string {
	stmts, errs := syntax.Parse(pieces(code))
	if len(errs) > 0 {
		return []string{"! SyntaxError"}
	}
	if len(stmts) == 1 {
		if x, ok := stmts[0].(*syntax.ExprStmt); ok {
			show := &syntax.Call{Fn: &syntax.Name{ID: "_show"}, Args: []syntax.Arg{{X: x.X}}}
			stmts = []syntax.Stmt{&syntax.ExprStmt{X: show}}
		}
	}
	none := func(string) bool { return false }
	p, errs := lower.Lower("case", stmts, lower.Options{Known: none, Has: func(string, string) bool { return false }})
	if len(errs) > 0 {
		return []string{"! SyntaxError"}
	}
	thread := object.NewThread(ctx, meter.NewBudget(caseLimits), nil)
	defer thread.End()
	console := &console{}
	err := p.Exec(&lower.Run{Thread: thread, Globals: console.globals()})
	var raised *object.Exception
	if errors.As(err, &raised) {
		console.lines = append(console.lines, strings.TrimRight("! "+raised.Error(), "\n"))
	} else if err != nil {
		console.lines = append(console.lines, fmt.Sprintf("! %T: %v", err, err))
	}
	return console.lines
}

// console collects what a case prints.
type console struct{ lines []string }

func (c *console) print(sign, text string) {
	for _, line := range strings.Split(text, "\n") {
		c.lines = append(c.lines, strings.TrimRight(sign+" "+line, " \t"))
	}
}

func (c *console) globals() *environment {
	known := builtins.Names()
	known["print"] = object.NewBuiltin("print", "*args", func(t *object.Thread, a []object.Value) (object.Value, error) {
		var parts []string
		for _, v := range a[0].(object.Tuple) {
			s, err := object.ToStr(t, v)
			if err != nil {
				return nil, err
			}
			parts = append(parts, s)
		}
		c.print("=", strings.Join(parts, " "))
		return object.None, nil
	})
	known["_show"] = object.NewBuiltin("_show", "value", func(t *object.Thread, a []object.Value) (object.Value, error) {
		r, err := object.Repr(t, a[0])
		if err != nil {
			return nil, err
		}
		c.print("=", r)
		s, err := object.ToStr(t, a[0])
		if _, isStr := a[0].(object.Str); !isStr && s != r {
			c.print("~", s)
		}
		return object.None, err
	})
	return &environment{known: known, set: map[string]object.Value{}}
}

// environment holds what a case sets, over what it finds.
type environment struct{ known, set map[string]object.Value }

func (e *environment) Lookup(name lower.Name) (object.Value, bool) {
	if v, ok := e.set[name.Text]; ok {
		return v, true
	}
	v, ok := e.known[name.Text]
	return v, ok
}

func (e *environment) Assign(name lower.Name, v object.Value) { e.set[name.Text] = v }

func (e *environment) Delete(name lower.Name) bool {
	_, ok := e.set[name.Text]
	delete(e.set, name.Text)
	return ok
}

// deviations are the cases that answer other than Python, and why.
var deviations = map[string]struct {
	got    []string
	reason string
}{
	"type(iter([])), type(zip()), type(map(str, [])), type(enumerate([])), type(iter({}))": {
		got:    []string{"= (<class 'iterator'>, <class 'iterator'>, <class 'iterator'>, <class 'iterator'>, <class 'iterator'>)"},
		reason: "iterators are of one type: no template asks which",
	},
}
