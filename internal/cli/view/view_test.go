package view

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/outputtest"
)

type colour struct {
	Name string `json:"name"`
	Hex  string `json:"hex,omitempty"`
}

var coloursView = View[[]colour]{
	Sheet: func(all []colour) Sheet {
		s := Sheet{Columns: []string{"NAME"}, Wide: []string{"HEX-CODE"}}
		for _, c := range all {
			s.Rows = append(s.Rows, []string{c.Name, c.Hex})
		}
		return s
	},
	Wrong: func(all []colour) bool { return len(all) == 0 },
}

// runColours runs a command that lists colours and returns what it prints.
func runColours(t *testing.T, all []colour, args ...string) (string, error) {
	t.Helper()
	cmd := Report(&cobra.Command{Use: "colours", SilenceErrors: true, SilenceUsage: true}, coloursView,
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

// Whatever is in a cell, CSV has as many records and fields as the list.
func TestCSVOfHostileCells(t *testing.T) {
	out, err := runColours(t, []colour{{outputtest.Hostile, "a\nb"}, {"\"", ","}}, "-o", "csv")
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(records) != 3 || len(records[2]) != 2 || records[2][0] != `"` || strings.Count(out, "\n") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}
