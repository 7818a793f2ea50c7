package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
)

// commands are a program with a group of commands, as mdserver has them.
func commands() (root, group, leaf *cobra.Command) {
	run := func(*cobra.Command, []string) error { return nil }
	root = &cobra.Command{Use: "tool", RunE: run}
	leaf = &cobra.Command{Use: "show NAME", RunE: run}
	group = Group(&cobra.Command{Use: "thing"}, leaf, &cobra.Command{Use: "list", RunE: run}, &cobra.Command{Use: "lost", RunE: run})
	root.AddCommand(group)
	return root, group, leaf
}

// TestNumberOfArguments checks that a wrong number of arguments is a usage error that says what
// is expected, and how the command is called.
func TestNumberOfArguments(t *testing.T) {
	const usage = "; usage: tool thing show NAME; see `tool thing show --help`"
	_, _, leaf := commands()
	for _, tt := range []struct {
		name   string
		accept cobra.PositionalArgs
		args   string
		want   string
	}{
		{"none, and none is given", Exactly(0), "", ""},
		{"none, and one is given", Exactly(0), "a", "expected no arguments, got 1" + usage},
		{"one, and none is given", Exactly(1), "", "expected 1 argument, got 0" + usage},
		{"one, and one is given", Exactly(1), "a", ""},
		{"one, and two are given", Exactly(1), "a b", "expected 1 argument, got 2" + usage},
		{"two, and one is given", Exactly(2), "a", "expected 2 arguments, got 1" + usage},
		{"at least one, and none is given", AtLeast(1), "", "expected at least 1 argument, got 0" + usage},
		{"at least one, and one is given", AtLeast(1), "a", ""},
		{"at least one, and many are given", AtLeast(1), "a b c d", ""},
		{"at least none, and none is given", AtLeast(0), "", ""},
		{"at most one, and none is given", AtMost(1), "", ""},
		{"at most one, and one is given", AtMost(1), "a", ""},
		{"at most one, and two are given", AtMost(1), "a b", "expected at most 1 argument, got 2" + usage},
	} {
		t.Run(tt.name, func(t *testing.T) { isUsage(t, tt.accept(leaf, strings.Fields(tt.args)), tt.want) })
	}
}

// TestArgumentsOfAParent checks a command that takes an argument of its own and has commands below it.
func TestArgumentsOfAParent(t *testing.T) {
	_, group, _ := commands()
	isUsage(t, Exactly(1)(group, nil), "expected 1 argument, got 0; usage: tool thing; see `tool thing --help`")
	isUsage(t, Exactly(1)(group, []string{"a"}), "")
	isUsage(t, Exactly(1)(group, []string{"shwo", "b"}), "\"shwo\" is not a command of `tool thing`; did you mean \"show\"?; see `tool thing --help`")
}

// isUsage checks that an error is one of the command line, with a text, or none for "".
func isUsage(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil, want != "" && (err == nil || err.Error() != want):
		t.Errorf("%v, want %q", err, want)
	case err != nil && exit.Code(err) != exit.Usage:
		t.Errorf("%v ends with %d", err, exit.Code(err))
	}
}

// TestGroup checks that a group shows its help, and refuses what is no command of it.
func TestGroup(t *testing.T) {
	for args, want := range map[string]string{
		"thing":      "",
		"thing list": "",
		"thing lits": "\"lits\" is not a command of `tool thing`; did you mean \"list\"?; see `tool thing --help`",
		"thing lot":  "\"lot\" is not a command of `tool thing`; did you mean \"lost\"?; see `tool thing --help`", // and list is farther
		"thing none": "\"none\" is not a command of `tool thing`; see `tool thing --help`",
	} {
		t.Run(args, func(t *testing.T) {
			root, _, _ := commands()
			root.SilenceErrors, root.SilenceUsage = true, true
			var out strings.Builder
			root.SetOut(&out)
			root.SetArgs(strings.Fields(args))
			isUsage(t, root.Execute(), want)
			if helped := strings.Contains(out.String(), "tool thing [command]"); helped != (args == "thing") {
				t.Errorf("printed is %q", &out)
			}
		})
	}
}

// TestUnknown checks what is said of a word that is no command: it may have been meant as one, or as
// a configuration file.
func TestUnknown(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"folder", "folder.conf"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join("folder", "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const neither = " is neither a command nor a configuration file"
	const list = "; `mdserver help` lists the commands"
	root, group, _ := commands()
	for name, want := range map[string]string{
		"thong":       `"thong"` + neither + `; did you mean "thing"?` + list,
		"tihng":       `"tihng"` + neither + `; did you mean "thing"?` + list,
		"thxxx":       `"thxxx"` + neither + list,
		"other.conf":  "there is no configuration file other.conf",
		"none/file":   "there is no configuration file none/file",
		"folder/":     "folder/ is a directory, not a configuration file",
		"folder.conf": "folder.conf is a directory, not a configuration file",
		"folder":      `"folder"` + neither + list,
		"folder/file": `"folder/file"` + neither + list,
	} {
		if got := Unknown(root, name).Error(); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	if got, want := Unknown(group, "shwo").Error(), "\"shwo\" is not a command of `tool thing`; did you mean \"show\"?; see `tool thing --help`"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestIsFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{file: true, os.DevNull: true, dir: false, file + "2": false, "": false} {
		if IsFile(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}
