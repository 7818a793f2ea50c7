package stpl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// differential makes TestDifferential compare that many random templates with
// Debian's python3-bottle; differentialSeed chooses others.
const (
	differential     = "MDSERVER_DIFFERENTIAL"
	differentialSeed = "MDSERVER_DIFFERENTIAL_SEED"
)

// differentialCase is what bottle made of one template.
type differentialCase struct {
	Source, Text, Error, Message string
	Variables                    json.RawMessage
}

// TestDifferential is run by hand. What it found is in the other tests.
func TestDifferential(t *testing.T) {
	count := os.Getenv(differential)
	if count == "" {
		t.Skipf("set %s to a number of templates to compare them with Debian's python3-bottle", differential)
	}
	seed := os.Getenv(differentialSeed)
	if seed == "" {
		seed = strconv.FormatInt(time.Now().Unix(), 10)
	}
	t.Log("seed", seed)
	out, err := exec.Command(debianPython, "-B", "testdata/differential/generate.py", seed, count).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	var vars map[string]any
	for lines.Scan() {
		var c differentialCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Variables != nil {
			if vars, err = ParseVariables(c.Variables); err != nil {
				t.Fatal(err)
			}
			continue
		}
		c.compare(t, vars)
	}
}

// addresses are in the text of functions and iterators, and never the same.
var addresses = regexp.MustCompile(`<[^<>\n]*( at 0x[0-9a-f]+|object|iterator|function)[^<>\n]*>|&lt;[^\n]*( at 0x[0-9a-f]+|object|iterator|function)[^\n]*&gt;`)

// limitKinds are the errors of templates that ask for too much.
var limitKinds = map[string]bool{"MemoryError": true, "RecursionError": true, "TimeoutError": true}

var compileKinds = map[string]bool{"SyntaxError": true, "IndentationError": true}

// normal leaves out what differs from run to run: addresses, and the order
// of sets.
func normal(text string) string {
	letters := strings.Split(addresses.ReplaceAllString(text, "<>"), "")
	slices.Sort(letters)
	return strings.Join(letters, "")
}

func (c differentialCase) compare(t *testing.T, vars map[string]any) {
	got, err := renderText(t, Options{}, c.Source, vars)
	kind := ""
	if bad, ok := errors.AsType[*Error](err); ok {
		kind = bad.Kind
	}
	if compileKinds[kind] && compileKinds[c.Error] {
		return // of several mistakes each finds another first
	}
	if limitKinds[kind] {
		return // Bottle has none
	}
	if kind == c.Error && normal(got) == normal(c.Text) {
		return
	}
	t.Errorf("template:\n%s\ngot  %q (%v)\nwant %q (%s: %s)", c.Source, got, err, c.Text, c.Error, c.Message)
}
