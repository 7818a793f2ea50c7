// Package doctortest has the facts of a healthy host, and compares what checks say
// of changed ones with a golden file.
package doctortest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
)

var update = flag.Bool("update", false, "write the golden files of findings")

// Check decides by the facts of a host.
type Check func(*host.Facts) []finding.Finding

// Case is a host that differs from the healthy one.
type Case struct {
	Name   string
	Check  Check
	Change func(*host.Facts) // nil for the healthy host
}

// When makes a case.
func When(name string, check Check, change func(*host.Facts)) Case { return Case{name, check, change} }

// Golden compares the findings of all cases with testdata/NAME.txt, which -update
// writes.
func Golden(t *testing.T, name string, cases []Case) {
	t.Helper()
	var got bytes.Buffer
	for _, c := range cases {
		h := Healthy(t)
		if c.Change != nil {
			c.Change(h)
		}
		fmt.Fprintf(&got, "# %s\n%s\n", c.Name, Text(c.Check(h)))
	}
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, sections(got.String()), sections(string(want)))
}

// compare reports each section that differs.
func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("no case for\n%s", want[i])
		case i >= len(want):
			t.Errorf("not in the golden file:\n%s", got[i])
		case got[i] != want[i]:
			t.Errorf("got\n%s\nwant\n%s", got[i], want[i])
		}
	}
}

// sections are the cases of a golden file.
func sections(text string) []string { return strings.Split(text, "\n# ") }

// Text is what a person reads of findings, with their codes.
func Text(findings []finding.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s: %s\n", f.State, f.Code, f.Text)
		for _, advice := range f.Advice {
			fmt.Fprintf(&b, "  - %s\n", advice)
		}
		for _, command := range f.Remedy {
			fmt.Fprintf(&b, "  $ %s\n", command)
		}
	}
	return b.String()
}

// Configure gives a host the configuration of a file with this text. Findings name
// the file conf, because the directory has another name each time.
func Configure(t testing.TB, h *host.Facts, text string) {
	t.Helper()
	back, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chdir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.Chdir(back); err != nil {
			t.Fatal(err)
		}
	}()
	if err := os.WriteFile("conf", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if h.Config, h.ConfigWarnings, err = config.Load("conf"); err != nil {
		t.Fatal(err)
	}
}
