package view

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/client"
	"mdserver/internal/config"
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
	for flags, want := range map[string]string{"": "", "--json": FormatJSON, "--json=false": ""} {
		stream := &cobra.Command{}
		stream.Flags().Bool("json", false, "print one document per line")
		if err := stream.ParseFlags(strings.Fields(flags)); err != nil {
			t.Fatal(err)
		}
		if got := FormatOf(stream); got != want {
			t.Errorf("%s of a command that prints documents as they come is the format %q, want %q", flags, got, want)
		}
	}
}

// TestFlagsAreCompleted checks that the shell offers the formats of a command, and no files.
func TestFlagsAreCompleted(t *testing.T) {
	for list, want := range map[bool]string{true: "table wide json yaml csv name", false: "table json yaml"} {
		cmd := &cobra.Command{}
		Flags(cmd, list)
		complete, ok := cmd.GetFlagCompletionFunc("output")
		if !ok {
			t.Fatal("nothing completes -o")
		}
		words, directive := complete(cmd, nil, "")
		if got := strings.Join(words, " "); got != want || directive != cobra.ShellCompDirectiveNoFileComp {
			t.Errorf("of a list %v: %s, directive %d", list, got, directive)
		}
	}
}

// TestSheetCannotBePrinted checks that a list which cannot be written is an error, and has no line
// below it and no exit code of what it says.
func TestSheetCannotBePrinted(t *testing.T) {
	for _, flags := range []string{"", "-o wide", "-o csv", "--json", "-o yaml"} {
		cmd := Report(&cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true}, parts, func(*cobra.Command, []string) ([]string, error) { return []string{"bad"}, nil })
		out := &brokenPipe{}
		cmd.SetOut(out)
		cmd.SetArgs(strings.Fields(flags))
		if err := cmd.Execute(); !errors.Is(err, os.ErrClosed) || strings.Contains(out.tried, "below") {
			t.Errorf("%s: %v, after %q", flags, err, out.tried)
		}
	}
}

// brokenPipe refuses what is written, and keeps it.
type brokenPipe struct{ tried string }

func (b *brokenPipe) Write(p []byte) (int, error) {
	b.tried += string(p)
	return 0, os.ErrClosed
}

// TestNothingIsShown checks that a command which has no result prints none, and fails as it did.
func TestNothingIsShown(t *testing.T) {
	failed := exit.With(exit.NotFound, errors.New("no such thing"))
	for _, flags := range []string{"", "-q", "--json"} {
		cmd := Report(&cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true}, parts, func(*cobra.Command, []string) ([]string, error) { return []string{"a"}, failed })
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetArgs(strings.Fields(flags))
		if err := cmd.Execute(); err != failed || out.Len() > 0 {
			t.Errorf("%s: %v, printed %q", flags, err, &out)
		}
	}
}

// TestLongCells checks that a program gets more of a long cell than a person, and neither without
// end.
func TestLongCells(t *testing.T) {
	long := strings.Repeat("n", 10*output.MaxText)
	for flags, want := range map[string][2]int{
		"--no-headers":        {output.MaxValue - 100, output.MaxValue + 100},
		"-o csv --no-headers": {output.MaxText - 100, output.MaxText + 100},
		"-q":                  {output.MaxText - 100, output.MaxText + 100},
	} {
		if got, _, err := show(t, parts, []string{long}, flags); err != nil || len(got) < want[0] || len(got) > want[1] {
			t.Errorf("%s: %d bytes, want %d, %v", flags, len(got), want, err)
		}
	}
}

// TestEmptyLists checks that a list without rows has a heading for people and for tables, and no line
// for a shell.
func TestEmptyLists(t *testing.T) {
	v := parts
	v.Wrong, v.Below = nil, nil
	for flags, want := range map[string]string{
		"": "NAME  FIRST SEEN\n", "--no-headers": "", "-q": "", "-o csv": "name,first_seen,wide\n", "-o csv --no-headers": "",
		"--json": "{\n  \"data\": []\n}\n", "-o yaml": "data: []\n",
	} {
		if got, _, err := show(t, v, []string{}, flags); err != nil || got != want {
			t.Errorf("%s: %q, want %q, %v", flags, got, want, err)
		}
	}
}

// TestQuery checks that a command asks the server for what its arguments name, and fails without a
// server.
func TestQuery(t *testing.T) {
	cmd := Query(&cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true}, parts, func(_ context.Context, server *client.Client, args []string) ([]string, error) {
		if server == nil {
			t.Error("there is no server to ask")
		}
		return args, nil
	})
	cmd.Flags().String("config", "", "")
	cmd.Flags().String("socket", "", "")
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&bytes.Buffer{})
		cmd.SetArgs(args)
		err := cmd.Execute()
		return out.String(), err
	}
	if got, err := run("-q", "--socket", "/run/none", "a", "b"); err != nil || got != "word-a\nword-b\n" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Stat(config.Default().Server.Socket); err == nil && info.Mode().Type() == os.ModeSocket {
		return // a server of this host is asked where the configuration cannot be read
	}
	if got, err := run("-q", "--socket", "", "--config", filepath.Join(t.TempDir(), "none"), "a"); exit.Code(err) != exit.Unreadable || got != "" {
		t.Errorf("without a configuration: %q, %v", got, err)
	}
}
