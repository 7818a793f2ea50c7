package output

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"

	"mdserver/internal/visible"
)

// YAML means what JSON means, also of texts that look like something else.
func TestYAMLMeansTheSame(t *testing.T) {
	in := map[string]any{
		"texts":   []string{hostile, "yes", "123", "null", "~", "", " x ", "a: b", "#", "- x", "2024-03-01", "line\nline", "\u202e\ufeff\u0085\u2028\U000e0041", `"`, `\n`},
		"numbers": []any{1, -2.5, uint64(1 << 63), 1e21},
		"others":  []any{true, false, nil, map[string]any{}, []any{}},
		hostile:   "as a key",
	}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := YAML(&visible.Writer{W: &out}, in); err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var roundTrip any
	if err := json.Unmarshal(again, &roundTrip); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(roundTrip, want) {
		t.Errorf("%s\nbecame\n%s", data, out.Bytes())
	}
}

// TestYAMLText checks the form that people read: the fields in their order, two spaces deep.
func TestYAMLText(t *testing.T) {
	value := struct {
		Name  string         `json:"name"`
		Count int            `json:"count"`
		All   []string       `json:"all"`
		Deep  map[string]any `json:"deep"`
		None  *int           `json:"none"`
	}{"yes", 12345678901, []string{"a", "b\nc"}, map[string]any{"on": true, "list": []any{map[string]any{"x": 1}}}, nil}
	const want = "name: \"yes\"\ncount: 12345678901\nall:\n  - a\n  - \"b\\nc\"\ndeep:\n  list:\n    - x: 1\n  \"on\": true\nnone: null\n"
	var out bytes.Buffer
	if err := YAML(&out, value); err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, &out, want)
	}
}

// TestYAMLOfOlderReaders checks that texts which YAML 1.1 takes for something else are quoted, and others
// are not.
func TestYAMLOfOlderReaders(t *testing.T) {
	for text, quoted := range map[string]bool{
		"52:54:00:12:34:56": true, "10:20": true, "-1:30.5": true, "yes": true, "No": true, "ON": true, "off": true, "y": true, "N": true, "=": true, "010": true, "2026-03-01": true, "true": true, "": true, "~": true,
		"52:54:00:12:34:ab": false, "10:60": false, "yess": false, "web1": false, "fd00::7": false, "10.0.0.7": false, "==": false,
	} {
		var out bytes.Buffer
		want := text + "\n"
		if quoted {
			want = `"` + text + "\"\n"
		}
		if err := YAML(&out, text); err != nil || out.String() != want {
			t.Errorf("%q is %s, %v", text, &out, err)
		}
	}
}
