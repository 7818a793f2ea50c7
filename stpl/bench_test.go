package stpl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// The benchmarks compare with Debian's python3-bottle in the same run.
const debianPython = "/usr/bin/python3"

type benchmarkTemplate struct{ name, path, vars string }

var benchmarkTemplates = []benchmarkTemplate{
	{"2KB", "testdata/bench/2k.tpl", "testdata/bench/2k.vars.json"},
	{"220 lines", corpus + "/35-long-200-lines.tpl", corpus + "/35-long-200-lines.vars.json"},
}

func (bt benchmarkTemplate) variables(tb testing.TB) map[string]any {
	tb.Helper()
	data := []byte(readFile(tb, bt.vars))
	var guests map[string]json.RawMessage
	if err := json.Unmarshal(data, &guests); err != nil {
		tb.Fatal(err)
	}
	if bytes.HasPrefix(guests["a"], []byte("{")) {
		data = guests["a"]
	}
	vars, err := ParseVariables(data)
	if err != nil {
		tb.Fatal(err)
	}
	return vars
}

func BenchmarkCompile(b *testing.B) {
	for _, bt := range benchmarkTemplates {
		source := readFile(b, bt.path)
		b.Run(bt.name+"/mdserver", func(b *testing.B) {
			b.ReportAllocs()
			engine := New(Options{})
			for b.Loop() {
				if _, errs := engine.compile("b.tpl", source); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
		})
		b.Run(bt.name+"/bottle", func(b *testing.B) { bt.bottle(b, "compile") })
	}
}

func BenchmarkRender(b *testing.B) {
	for _, bt := range benchmarkTemplates {
		vars := bt.variables(b)
		b.Run(bt.name+"/mdserver", func(b *testing.B) {
			b.ReportAllocs()
			tpl, err := New(Options{}).Compile("b.tpl", readFile(b, bt.path))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := tpl.Render(b.Context(), vars); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bt.name+"/bottle", func(b *testing.B) { bt.bottle(b, "render") })
	}
}

// bottle has Python measure itself.
func (bt benchmarkTemplate) bottle(b *testing.B, what string) {
	if err := exec.Command(debianPython, "-c", "import bottle").Run(); err != nil {
		b.Skip("needs Debian's python3-bottle")
	}
	b.ResetTimer()
	out, err := exec.Command(debianPython, "-B", "testdata/bench/measure.py", what, bt.path, bt.vars, fmt.Sprint(b.N)).Output()
	if err != nil {
		b.Fatal(err)
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(ns, "ns/op")
}
