package view

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
)

// parts is a view with a table and a line below it.
var parts = View[[]string]{
	Sheet: func(all []string) Sheet {
		s := Sheet{Columns: []string{"NAME", "FIRST SEEN"}, Wide: []string{"WIDE"}}
		for _, one := range all {
			s.Names = append(s.Names, "word-"+one)
			s.Rows = append(s.Rows, []string{one, "", "w"})
		}
		return s
	},
	Below: func(w io.Writer, all []string) { output.Printf(w, "%d below\n", len(all)) },
	Data:  func(all []string) any { return map[string][]string{"data": all} },
	Wrong: func(all []string) bool { return all[0] == "bad" },
	Exit:  exit.Timeout,
}

// show runs a command with a view and returns what it prints on each output.
func show(t *testing.T, v View[[]string], all []string, flags string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := Report(&cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true}, v, func(*cobra.Command, []string) ([]string, error) { return all, nil })
	var out, notes bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&notes)
	cmd.SetArgs(strings.Fields(flags))
	err = cmd.Execute()
	return out.String(), notes.String(), err
}

// TestParts checks that the line below a table is left out with --no-headers and for programs.
func TestParts(t *testing.T) {
	const table, wide = "NAME  FIRST SEEN\na     -\n", "NAME  FIRST SEEN  WIDE\na     -           w\n"
	for flags, want := range map[string]string{
		"":                     table + "1 below\n",
		"-o table":             table + "1 below\n",
		"-o wide":              wide + "1 below\n",
		"--no-headers":         "a  -\n",
		"-o wide --no-headers": "a  -  w\n",
		"-o csv":               "name,first_seen,wide\na,,w\n",
		"-o csv --no-headers":  "a,,w\n",
		"-o name":              "word-a\n",
		"-q":                   "word-a\n",
		"--quiet=false":        table + "1 below\n",
		"-q --json":            "{\n  \"data\": [\n    \"a\"\n  ]\n}\n",
		"-o yaml":              "data:\n  - a\n",
	} {
		if got, notes, err := show(t, parts, []string{"a"}, flags); err != nil || got != want || notes != "" {
			t.Errorf("%s: %v\n%s%s\nwant\n%s", flags, err, got, notes, want)
		}
	}
	for _, flags := range []string{"", "-q", "--json", "-o csv"} {
		if _, _, err := show(t, parts, []string{"bad"}, flags); exit.Code(err) != exit.Timeout || err.Error() != "" {
			t.Errorf("%s: %v, want the exit code of the view", flags, err)
		}
	}
	if _, _, err := show(t, parts, nil, "--json=maybe"); err == nil {
		t.Error("--json=maybe is accepted")
	}
}

// TestTextAndNotes checks that people see a text instead of the table, with notes on standard
// error, and that programs get neither.
func TestTextAndNotes(t *testing.T) {
	v := parts
	v.Text = func(w io.Writer, all []string) error { return output.Printf(w, "text of %s\n", all[0]) }
	v.Notes = func(w io.Writer, all []string) { output.Printf(w, "note of %s\n", all[0]) }
	for flags, want := range map[string][2]string{
		"":        {"text of a\n", "note of a\n"},
		"--json":  {"{\n  \"data\": [\n    \"a\"\n  ]\n}\n", ""},
		"-o yaml": {"data:\n  - a\n", ""},
		"-o csv":  {"name,first_seen,wide\na,,w\n", ""},
		"-o wide": {"NAME  FIRST SEEN  WIDE\na     -           w\n1 below\n", ""},
		"-q":      {"word-a\n", ""},
	} {
		if got, notes, err := show(t, v, []string{"a"}, flags); err != nil || got != want[0] || notes != want[1] {
			t.Errorf("%s: %v\n%q and %q, want %q", flags, err, got, notes, want)
		}
	}
	failed := errors.New("full")
	v.Text = func(io.Writer, []string) error { return failed }
	if _, _, err := show(t, v, []string{"bad"}, ""); !errors.Is(err, failed) {
		t.Errorf("a text that cannot be printed: %v", err)
	}
}

// TestFlagsOfAResult checks that a command without a list has no flags for lists, and that FormatOf
// ignores an -o that names a file.
func TestFlagsOfAResult(t *testing.T) {
	cmd := &cobra.Command{}
	Flags(cmd, false)
	if cmd.Flags().Lookup("no-headers") != nil || cmd.Flags().Lookup("quiet") != nil {
		t.Error("a command without a list has flags for lists")
	}
	if err := cmd.ParseFlags([]string{"-o", "csv"}); err == nil || !strings.Contains(err.Error(), "accepted: table, json, yaml") {
		t.Error(err)
	}
	if got := FormatOf(cmd); got != FormatTable {
		t.Errorf("the format is %q", got)
	}
	file := &cobra.Command{}
	file.Flags().StringP("output", "o", "json", "")
	if got := FormatOf(file); got != "" {
		t.Errorf("a file's name is taken for the format %q", got)
	}
}
