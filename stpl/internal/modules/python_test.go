package modules_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/stpl/internal/builtins"
	"mdserver/stpl/internal/lower"
	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/modules"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/scan"
	"mdserver/stpl/internal/syntax"
)

// pythonCase is a case of the tables that testdata/generate.py fills.
type pythonCase struct {
	line    int
	prelude []string
	code    []string
	want    []string
}

func readCases(t *testing.T, path string) []pythonCase {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var prelude []string
	var cases []pythonCase
	var c pythonCase
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		sign, rest := line[:1], strings.TrimPrefix(line[1:], " ")
		if sign == "=" || sign == "!" {
			c.want = append(c.want, line)
			continue
		}
		if c.want != nil {
			cases = append(cases, c)
			c = pythonCase{}
		}
		switch sign {
		case "<":
			prelude = append(prelude, rest)
		case ">":
			if c.code == nil {
				c.line, c.prelude = i+1, prelude
			}
			c.code = append(c.code, rest)
		}
	}
	return append(cases, c)
}

// globals are the variables of a case.
type globals map[string]object.Value

var builtinNames = builtins.Names()

func (g globals) Lookup(name lower.Name) (object.Value, bool) {
	v, ok := g[name.Text]
	if !ok {
		v, ok = builtinNames[name.Text]
	}
	return v, ok
}

func (g globals) Assign(name lower.Name, v object.Value) { g[name.Text] = v }

func (g globals) Delete(name lower.Name) bool {
	_, ok := g[name.Text]
	delete(g, name.Text)
	return ok
}

var limits = meter.Limits{Steps: 5_000_000, Memory: 64 << 20, Output: 1 << 20, Time: 30 * time.Second, Recursion: 200}

// evaluate runs lines of Python, of which the last is an expression, and
// returns that one's repr.
func evaluate(ctx context.Context, limits meter.Limits, lines ...string) (string, error) {
	lines = slices.Clone(lines)
	last := len(lines) - 1
	lines[last] = "answer = repr((" + lines[last] + "))"
	var pieces []scan.Piece
	for i, line := range lines {
		code := strings.TrimLeft(line, " ")
		pieces = append(pieces, scan.Piece{Indent: (len(line) - len(code)) / 4, Line: i + 1, Code: code})
	}
	body, errs := syntax.Parse(pieces)
	if len(errs) > 0 {
		return "", errs[0]
	}
	program, errs := lower.Lower("case", body, lower.Options{Known: modules.Known, Has: modules.Has})
	if len(errs) > 0 {
		return "", errs[0]
	}
	thread := object.NewThread(ctx, meter.NewBudget(limits), nil)
	defer thread.End()
	g := globals{}
	if err := program.Exec(&lower.Run{Thread: thread, Globals: g, Import: modules.Import}); err != nil {
		return "", err
	}
	return string(g["answer"].(object.Str)), nil
}

func (c pythonCase) answer(ctx context.Context) []string {
	answer, err := evaluate(ctx, limits, append(slices.Clone(c.prelude), c.code...)...)
	if err != nil {
		return []string{strings.TrimRight("! "+err.Error(), " ")}
	}
	lines := strings.Split(answer, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("= "+line, " ")
	}
	return lines
}

func TestPython(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	tables, total := map[string][]pythonCase{}, 0
	for _, file := range files {
		tables[file] = readCases(t, file)
		total += len(tables[file])
	}
	if total < 300 {
		t.Errorf("the tables have only %d cases", total)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			for _, c := range tables[file] {
				if got := c.answer(t.Context()); !slices.Equal(got, c.want) {
					t.Errorf("%s:%d: %s\n got %s\nwant %s", file, c.line, strings.Join(c.code, "\n"), strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
			}
		})
	}
}
