package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/build"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/cli/view"
	"mdserver/internal/visible"
)

// called runs a command line in this process and returns what it prints.
func called(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	root := newRoot()
	var out, messages bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(""))
	root.SetOut(&out)
	root.SetErr(&messages)
	err = root.ExecuteContext(t.Context())
	return out.String(), messages.String(), err
}

// TestProgram checks what the program answers without a server: its version, its manual, and command
// lines that are wrong.
func TestProgram(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, want := range map[string]struct {
		begins string // what is printed
		code   int
	}{
		"":                         {"mdserver: Serve metadata", 0},
		"--help":                   {"mdserver: Serve metadata", 0},
		"--version":                {versionLine(), 0},
		"version":                  {versionLine(), 0},
		"version --json":           {"{\n  \"date\": \"" + build.Date + "\",\n  \"version\": \"" + build.Version + "\"\n}\n", 0},
		"version extra":            {"", exit.Usage},
		"instance":                 {"mdserver instance: List", 0},
		"instance nothing":         {"", exit.Usage},
		"help exit-codes":          {"Exit codes of all commands:\n\n  0   success\n", 0},
		"help instance rm":         {"mdserver instance rm: ", 0},
		"man":                      {".nh\n.TH \"MDSERVER\" \"8\"", 0},
		"man instance rm":          {".nh\n.TH \"MDSERVER-INSTANCE-RM\" \"8\"", 0},
		"man instance remove":      {".nh\n.TH \"MDSERVER-INSTANCE-RM\" \"8\"", 0}, // another name of it
		"man instance rmm":         {"", exit.Usage},
		"man nothing":              {"", exit.Usage},
		"man exit-codes":           {"", exit.Usage},
		"completion":               {"mdserver completion: Print a script", 0},
		"completion foo":           {"", exit.Usage},
		"status --color sometimes": {"", exit.Usage},
		"status --nonsense":        {"", exit.Usage},
		"nothing.conf":             {"", exit.Usage},
		"config default":           {"#", 0},
	} {
		stdout, _, err := called(t, strings.Fields(args)...)
		if exit.Code(err) != want.code || !strings.HasPrefix(stdout, want.begins) || want.begins == "" && stdout != "" {
			t.Errorf("%s: %v, printed %.200q", args, err, stdout)
		}
	}
}

// TestShortFlags checks the letters of the flags that all commands have.
func TestShortFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.conf", []byte("[mdserver]\nport = 8080\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"-c", "--config"} {
		if stdout, _, err := called(t, "config", "get", flag, "a.conf", "mdserver.port"); err != nil || stdout != "8080\n" {
			t.Errorf("%s: %q, %v", flag, stdout, err)
		}
	}
}

// TestColorFlag checks that --color reaches the screen, and that auto looks at what is below it.
func TestColorFlag(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	terminal, _ := outputtest.NewTerminal(t)
	for name, tt := range map[string]struct {
		args string
		out  io.Writer
		want bool
	}{
		"always":            {"version --color always", io.Discard, true},
		"never, a terminal": {"version --color=never", terminal, false},
		"auto":              {"version", io.Discard, false},
		"auto, a terminal":  {"version", terminal, true},
	} {
		root := newRoot()
		s := &output.Screen{Writer: visible.Writer{W: tt.out}}
		root.SetOut(s)
		root.SetArgs(strings.Fields(tt.args))
		if err := root.Execute(); err != nil || s.Colored != tt.want {
			t.Errorf("%s: colored is %v, %v", name, s.Colored, err)
		}
	}
}

// TestCompletedWords checks what the shell is offered where no server is asked.
func TestCompletedWords(t *testing.T) {
	for args, want := range map[string]string{
		"man instance ":          "add ls password reprovision rm show",
		"man instance rm ":       "",
		"man nothing ":           "",
		"status ":                "",
		"version ":               "",
		"status --color ":        "auto always never",
		"status -o ":             "table wide json yaml csv name",
		"instance show web1 -o ": "table json yaml",
		"wait web1 --for ":       "registered lease metadata ssh ready gone",
		"boots web1 --boot ":     "0 -1 -2",
		"completion ":            "bash fish powershell zsh",
	} {
		stdout, _, err := called(t, append([]string{"__complete"}, strings.Split(args, " ")...)...)
		lines := strings.Split(stdout, "\n")
		var words []string
		directive := ""
		for _, line := range lines {
			word, _, _ := strings.Cut(line, "\t")
			switch {
			case strings.HasPrefix(word, ":"):
				directive = word
			case word != "":
				words = append(words, word)
			}
		}
		if got := strings.Join(words, " "); err != nil || got != want || directive != ":4" && args != "completion " {
			t.Errorf("%s: %v, %q, directive %s", args, err, got, directive)
		}
	}
}

// TestCommandsTakeNoFiles checks that the shell offers files to those commands alone that take some.
func TestCommandsTakeNoFiles(t *testing.T) {
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if words := strings.Fields(cmd.Use); len(words) == 1 && cmd.ValidArgsFunction == nil && cmd.Name() != "help" {
			t.Errorf("%q takes no arguments, and is offered files", cmd.Use)
		}
	})
}

// TestWrittenManPages checks that others can read the man pages that are written.
func TestWrittenManPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	stdout, _, err := called(t, "docs", "man", dir)
	if err != nil || !strings.HasPrefix(stdout, "wrote ") {
		t.Fatalf("%q, %v", stdout, err)
	}
	for _, name := range []string{"mdserver.8", "mdserver-instance-rm.8"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "mdserver.8"))
	if err != nil || !strings.Contains(string(page), ".SH ENVIRONMENT\n.TP\n.B "+command.EnvConfig) || !strings.Contains(string(page), ".SH EXIT STATUS\n.TP\n.B 0\nsuccess\n") {
		t.Errorf("%v\n%s", err, page)
	}
}

// TestFormatOfTheProgram checks that a wrong command line which names no command has an error in text.
func TestFormatOfTheProgram(t *testing.T) {
	if got := view.FormatOf(newRoot()); got != "" {
		t.Errorf("the format is %q", got)
	}
}
