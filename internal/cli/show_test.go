package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"mdserver/internal/cli/exit"
	"mdserver/internal/visible"
)

type colour struct {
	Name string `json:"name"`
	Hex  string `json:"hex,omitempty"`
}

var coloursView = view[[]colour]{
	sheet: func(all []colour) sheet {
		s := sheet{columns: []string{"NAME"}, wide: []string{"HEX-CODE"}}
		for _, c := range all {
			s.rows = append(s.rows, []string{c.Name, c.Hex})
		}
		return s
	},
	wrong: func(all []colour) bool { return len(all) == 0 },
}

// runColours runs a command that lists colours and returns what it prints.
func runColours(t *testing.T, all []colour, args ...string) (string, error) {
	t.Helper()
	cmd := report(&cobra.Command{Use: "colours", SilenceErrors: true, SilenceUsage: true}, coloursView,
		func(*cobra.Command, []string) ([]colour, error) { return all, nil })
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestFormats(t *testing.T) {
	all := []colour{{"red", "ff0000"}, {Name: "a, b"}}
	for args, want := range map[string]string{
		"":                           "NAME\nred\na, b\n",
		"-o table --no-headers":      "red\na, b\n",
		"-o wide":                    "NAME  HEX-CODE\nred   ff0000\na, b  -\n",
		"--output=csv":               "name,hex_code\nred,ff0000\n\"a, b\",\n",
		"-o csv --no-headers":        "red,ff0000\n\"a, b\",\n",
		"-o name":                    "red\na, b\n",
		"-o yaml":                    "- name: red\n  hex: ff0000\n- name: a, b\n",
		"-o json":                    "[\n  {\n    \"name\": \"red\",\n    \"hex\": \"ff0000\"\n  },\n  {\n    \"name\": \"a, b\"\n  }\n]\n",
		"--json":                     "[\n  {\n    \"name\": \"red\",\n    \"hex\": \"ff0000\"\n  },\n  {\n    \"name\": \"a, b\"\n  }\n]\n",
		"--json=false --output=name": "red\na, b\n",
	} {
		if got, err := runColours(t, all, strings.Fields(args)...); err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", args, err, got, want)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	_, err := runColours(t, nil, "-o", "xml")
	if err == nil || !strings.Contains(err.Error(), "accepted: table, wide, json, yaml, csv, name") {
		t.Errorf("%v", err)
	}
}

// A result that is wrong makes the exit code 1 in every format.
func TestWrongResult(t *testing.T) {
	for _, format := range []string{"table", "json", "csv"} {
		_, err := runColours(t, nil, "-o", format)
		if exit.Code(err) != exit.Failure || err.Error() != "" {
			t.Errorf("%s: %v", format, err)
		}
	}
}

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
	if err := printYAML(&visible.Writer{W: &out}, in); err != nil {
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

// Whatever is in a cell, CSV has as many records and fields as the list.
func TestCSVOfHostileCells(t *testing.T) {
	out, err := runColours(t, []colour{{hostile, "a\nb"}, {"\"", ","}}, "-o", "csv")
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(records) != 3 || len(records[2]) != 2 || records[2][0] != `"` || strings.Count(out, "\n") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}
