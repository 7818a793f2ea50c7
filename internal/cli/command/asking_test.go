package command

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/outputtest"
)

// TestConfirm checks that only a yes is a yes, and that the question is not part of the result.
func TestConfirm(t *testing.T) {
	for answer, agreed := range map[string]bool{
		"y\n": true, "yes\n": true, "Y\n": true, "YES\n": true, " yes \r\n": true, "yes": true,
		"": false, "\n": false, "n\n": false, "no\n": false, "yess\n": false, "no\nyes\n": false, "j\n": false,
	} {
		cmd := &cobra.Command{}
		var out, asked strings.Builder
		cmd.SetIn(strings.NewReader(answer))
		cmd.SetOut(&out)
		cmd.SetErr(&asked)
		err := Confirm(cmd, "Remove web1?")
		if agreed != (err == nil) || !agreed && !errors.Is(err, ErrDeclined) {
			t.Errorf("answered %q: %v", answer, err)
		}
		if asked.String() != "Remove web1? [y/N] " || out.Len() > 0 {
			t.Errorf("asked is %q, printed %q", &asked, &out)
		}
	}
	cmd := &cobra.Command{}
	cmd.SetErr(io.Discard)
	cmd.SetIn(io.MultiReader(strings.NewReader("yes"), iotest.ErrReader(os.ErrClosed)))
	if err := Confirm(cmd, "Remove web1?"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("an answer that breaks off: %v", err)
	}
}

// TestNeedsTerminal checks that a command which must ask fails as a wrong command line where nobody
// can answer, whatever its output is.
func TestNeedsTerminal(t *testing.T) {
	terminal, _ := outputtest.NewTerminal(t)
	cmd := &cobra.Command{}
	cmd.SetIn(strings.NewReader("y\n"))
	cmd.SetOut(terminal)
	if err := NeedsTerminal(cmd, "to change web1"); exit.Code(err) != exit.Usage || err.Error() != "not a terminal; use --yes to change web1" {
		t.Error(err)
	}
	cmd.SetIn(terminal)
	cmd.SetOut(io.Discard)
	if err := NeedsTerminal(cmd, "to change web1"); err != nil {
		t.Error(err)
	}
}

// flagged is a command with the flags of this package, after it has read some.
func flagged(t *testing.T, flags string) (cmd *cobra.Command, choice *OneOf, yes *bool, file *string) {
	t.Helper()
	cmd = &cobra.Command{}
	choice, yes, file = ChoiceFlag(cmd, "escape", "how to escape", "html", "none"), YesFlag(cmd), OutputFlag(cmd)
	if err := cmd.ParseFlags(strings.Fields(flags)); err != nil {
		t.Fatal(err)
	}
	return cmd, choice, yes, file
}

func TestFlags(t *testing.T) {
	for flags, want := range map[string]struct {
		choice string
		yes    bool
		file   string
	}{
		"":                            {"html", false, "-"},
		"--escape none":               {"none", false, "-"},
		"--escape none --escape html": {"html", false, "-"},
		"-y -o file":                  {"html", true, "file"},
		"--yes --output=-":            {"html", true, "-"},
		"--yes=false":                 {"html", false, "-"},
	} {
		_, choice, yes, file := flagged(t, flags)
		if choice.String() != want.choice || *yes != want.yes || *file != want.file {
			t.Errorf("%s: %s, %v, %s, want %+v", flags, choice, *yes, *file, want)
		}
	}
	cmd, choice, _, _ := flagged(t, "--escape none")
	for _, wrong := range []string{"", "HTML", "html,none"} {
		if err := cmd.ParseFlags([]string{"--escape=" + wrong}); err == nil || !strings.HasSuffix(err.Error(), "accepted: html, none") || choice.Value != "none" {
			t.Errorf("--escape=%s: %v, and the value is %s", wrong, err, choice)
		}
	}
	if usage := cmd.Flags().FlagUsages(); !strings.Contains(usage, "--escape WORD   how to escape: html or none (default html)") {
		t.Errorf("the usage is\n%s", usage)
	}
}

// TestCompletedFlags checks that the shell offers the words of a flag, and no files.
func TestCompletedFlags(t *testing.T) {
	cmd, _, _, _ := flagged(t, "")
	cmd.Flags().String("timeout", "", "")
	CompleteWords(cmd, "timeout", "30s", "5m")
	for flag, want := range map[string]string{"escape": "html none", "timeout": "30s 5m"} {
		complete, ok := cmd.GetFlagCompletionFunc(flag)
		if !ok {
			t.Fatalf("nothing completes --%s", flag)
		}
		words, directive := complete(cmd, nil, "")
		if got := strings.Join(words, " "); got != want || directive != cobra.ShellCompDirectiveNoFileComp {
			t.Errorf("--%s: %s, directive %d", flag, got, directive)
		}
	}
}

// TestReadInput checks that what cannot be read has an exit code of its own.
func TestReadInput(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("in a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := &cobra.Command{}
	cmd.SetIn(strings.NewReader("by a pipe"))
	for path, want := range map[string]string{file: "in a file", "-": "by a pipe"} {
		if data, err := ReadInput(cmd, path); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
	cmd.SetIn(iotest.ErrReader(os.ErrClosed))
	for path, want := range map[string]string{file + "2": "no such file or directory", dir: "is a directory", "": "no such file or directory", "-": "file already closed"} {
		if _, err := ReadInput(cmd, path); exit.Code(err) != exit.Unreadable || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v, want that %s", path, err, want)
		}
	}
}
