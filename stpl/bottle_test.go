package stpl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// bottleCases names a directory with the rendering cases of bottle's own
// tests, which are not ours to keep: cases.jsonl and views/.
const bottleCases = "MDSERVER_BOTTLE_CASES"

// bottleCase is one line of cases.jsonl.
type bottleCase struct {
	Name, Tpl, Want, Err, Dir, Syntax string
	Vars                              json.RawMessage
	Noescape, NoneEmpty               bool
}

func TestBottleCases(t *testing.T) {
	dir := os.Getenv(bottleCases)
	if dir == "" {
		t.Skipf("set %s to the directory with bottle's cases to run them", bottleCases)
	}
	lines := bufio.NewScanner(bytes.NewReader([]byte(readFile(t, filepath.Join(dir, "cases.jsonl")))))
	lines.Buffer(nil, 1<<20)
	count := 0
	for lines.Scan() {
		var c bottleCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		count++
		t.Run(c.Name, func(t *testing.T) { c.run(t, dir) })
	}
	if count < 85 {
		t.Errorf("only %d cases", count)
	}
}

func (c bottleCase) run(t *testing.T, dir string) {
	opts := Options{Syntax: c.Syntax, Roots: []string{filepath.Join(dir, c.Dir)}}
	if c.Noescape {
		opts.Escape = EscapeSwapped
	}
	if c.NoneEmpty {
		opts.None = NoneEmpty
	}
	vars, err := ParseVariables(c.Vars)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range vars {
		if d, ok := value.(Dict); ok && len(d) == 1 && d[0].Key == "__bytes__" {
			vars[name] = []byte(d[0].Value.(string))
		}
	}
	got, err := renderText(t, opts, c.Tpl, vars)
	kind := ""
	if bad, ok := errors.AsType[*Error](err); ok {
		kind = bad.Kind
	}
	if kind != c.Err || got != c.Want {
		t.Errorf("template %q\ngot  %q (%v)\nwant %q %s", c.Tpl, got, err, c.Want, c.Err)
	}
}
