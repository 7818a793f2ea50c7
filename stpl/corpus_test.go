package stpl

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The corpus holds templates like those of the original's users, each with
// what the real bottle made of it for two guests: text, or an error with its
// line.
const corpus = "testdata/corpus"

func TestCorpus(t *testing.T) {
	templates, err := filepath.Glob(filepath.Join(corpus, "*.tpl"))
	if err != nil || len(templates) != 55 {
		t.Fatalf("%d templates (%v)", len(templates), err)
	}
	for _, path := range templates {
		base := strings.TrimSuffix(path, ".tpl")
		for _, guest := range []string{"a", "b"} {
			t.Run(filepath.Base(base)+"/"+guest, func(t *testing.T) {
				testCorpus(t, base, guest)
			})
		}
	}
}

// deviations are where we do otherwise than bottle, on purpose.
var deviations = map[string]string{
	// {{}}: bottle dies of an IndexError in its own code
	"e12-empty-expression": "SyntaxError",
	// \%: bottle 0.12 loses the character after the line, 0.14 does not
	"16-escaped-percent": ".bottle014",
}

func testCorpus(t *testing.T, base, guest string) {
	opts := Options{Roots: []string{filepath.Join(corpus, "views")}}
	source, vars := readFile(t, base+".tpl"), corpusVars(t, base, guest)
	deviation := deviations[filepath.Base(base)]
	got, err := renderText(t, opts, source, vars)
	if want, ok := wantedError(t, base+"."+guest+".error"); ok {
		if deviation != "" {
			want.Type = deviation
		}
		want.check(t, err)
		return
	}
	if want := readFile(t, base+"."+guest+cmp.Or(deviation, ".expected")); err != nil || got != want {
		t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
	}
	if _, err := os.Stat(base + "." + guest + ".bottle014"); err != nil {
		return
	}
	opts.None = NoneEmpty // what distinguishes 0.14
	if got, err = renderText(t, opts, source, vars); err != nil || got != readFile(t, base+"."+guest+".bottle014") {
		t.Errorf("as bottle 0.14: %v\ngot  %q", err, got)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func corpusVars(t testing.TB, base, guest string) map[string]any {
	t.Helper()
	var guests map[string]json.RawMessage
	if err := json.Unmarshal([]byte(readFile(t, base+".vars.json")), &guests); err != nil {
		t.Fatal(err)
	}
	vars, err := ParseVariables(guests[guest])
	if err != nil {
		t.Fatal(err)
	}
	return vars
}

// pythonError is how the corpus notes an error. Line is the template's.
type pythonError struct {
	Type string
	Msg  string
	Line int
}

func wantedError(t *testing.T, path string) (pythonError, bool) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return pythonError{}, false
	}
	var want pythonError
	if err := json.Unmarshal([]byte(readFile(t, path)), &want); err != nil {
		t.Fatal(err)
	}
	return want, true
}

// check wants the kind and line, and the message where it comes from running
// the template: of syntax we speak in our own words.
func (want pythonError) check(t *testing.T, err error) {
	t.Helper()
	bad, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %v, want %s", err, want.Type)
	}
	isSyntax := want.Type == "SyntaxError" || want.Type == "IndentationError"
	if bad.Kind != want.Type || bad.Line != want.Line || !isSyntax && bad.Message != want.Msg {
		t.Errorf("got %v, want line %d: %s: %s", bad, want.Line, want.Type, want.Msg)
	}
}
