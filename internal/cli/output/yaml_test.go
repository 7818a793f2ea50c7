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
