package modules_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/modules"
	"mdserver/stpl/internal/object"
)

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1, -2.5e3, true, null, "x\u00e9\ud83d\ude00\n"]}`, `[[[`, `{"a":1,}`, `"\ud800"`, `-`, `1e999`, `NaN`} {
		f.Add(s)
	}
	fuzzRoundTrip(f, "json", "loads", "dumps")
}

func FuzzYAML(f *testing.F) {
	for _, s := range []string{"a: [1, yes, 2024-01-01]\nb: |\n  x\n", "&a [*a]", "{<<: {a: 1}}", "- \"\\x07\"", "? a\n: b", "!!set {a}", "%YAML 1.1\n---\n"} {
		f.Add(s)
	}
	fuzzRoundTrip(f, "yaml", "safe_load", "safe_dump")
}

// fuzzRoundTrip loads text, dumps what it says, and does both again.
func fuzzRoundTrip(f *testing.F, module, load, dump string) {
	small := meter.Limits{Steps: 200_000, Memory: 8 << 20, Output: 1 << 20, Time: 5 * time.Second, Recursion: 100}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ToValidUTF8(text, "") != text {
			return // templates hold valid UTF-8 only
		}
		thread := object.NewThread(context.Background(), meter.NewBudget(small), nil)
		defer thread.End()
		call := func(name string, v object.Value) (object.Value, error) {
			m, err := modules.Import(thread, module)
			if err != nil {
				return nil, err
			}
			return object.CallMethod(thread, m, name, &object.Args{Pos: []object.Value{v}})
		}
		v, err := call(load, object.Str(text))
		if err != nil {
			var e *object.Exception
			if !errors.As(err, &e) {
				t.Fatalf("an error of an unknown kind: %v", err)
			}
			return
		}
		first, err := call(dump, v)
		if err != nil {
			return
		}
		again, err := call(load, first)
		if err != nil {
			t.Fatalf("%q was written as %q, which cannot be read: %v", text, first, err)
		}
		if second, err := call(dump, again); err == nil && second != first {
			t.Fatalf("%q was written as %q, and then as %q", text, first, second)
		}
	})
}
