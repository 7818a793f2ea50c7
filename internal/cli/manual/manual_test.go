package manual

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// newCommands are the commands of a program named tool.
func newCommands() *cobra.Command {
	run := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "tool", Short: "Keep things"}
	root.PersistentFlags().Bool("loud", false, "say more")
	root.AddGroup(&cobra.Group{ID: "things", Title: "Things:"})
	thing := &cobra.Command{Use: "thing", Short: "Change things", GroupID: "things"}
	add := &cobra.Command{Use: "add NAME", Aliases: []string{"new"}, Short: "Add a thing", Example: "  tool thing add a\n  tool thing add b",
		Long: "Add a thing. It has a <name>.\n\nThe names are\n\n  a  first\n  b  second", Run: run}
	add.Flags().Int("size", 1, "size in `BYTES`")
	thing.AddCommand(add, &cobra.Command{Use: "old", Short: "Do nothing", Hidden: true, Run: run})
	root.AddCommand(thing)
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

func find(t *testing.T, root *cobra.Command, words ...string) *cobra.Command {
	t.Helper()
	cmd, rest, err := root.Find(words)
	if err != nil || len(rest) > 0 {
		t.Fatalf("no command %q: %v", words, err)
	}
	return cmd
}

func TestHelp(t *testing.T) {
	const footer = "Exit codes: 0 success, 1 failure, 2 wrong command line; `mdserver help exit-codes` lists all."
	root := newCommands()
	for command, want := range map[string]string{
		"thing add": `tool thing add: Add a thing

Examples:
  tool thing add a
  tool thing add b

Usage:
  tool thing add NAME [flags]

It has a <name>.

The names are

  a  first
  b  second

Flags:
  -h, --help         help for add
      --size BYTES   size in BYTES (default 1)

Flags of all commands:
      --loud   say more

Other names: new

` + footer + "\n",
		"thing": `tool thing: Change things

Usage:
  tool thing COMMAND

Commands:
  add         Add a thing

Flags:
  -h, --help   help for thing

Flags of all commands:
      --loud   say more

` + footer + "\nHelp of a command: `tool thing COMMAND --help`\n",
	} {
		if got := Help(find(t, root, strings.Fields(command)...)); got != want {
			t.Errorf("the help of %s is\n%s\nwant\n%s", command, got, want)
		}
	}
	if help := Help(root); !strings.Contains(help, "\n\nThings:\n  thing       Change things\n\n") {
		t.Errorf("the help of the root command is\n%s", help)
	}
}

func TestReference(t *testing.T) {
	got := Reference(newCommands(), "## Environment\n\n")
	want := "**Things**\n\n| command | purpose |\n|---|---|\n| [`tool thing add`](#tool-thing-add) | Add a thing |\n\n## Environment\n\n## tool\n\n"
	if !strings.Contains(got, want) {
		t.Errorf("%q is missing in\n%s", want, got)
	}
	_, section, _ := strings.Cut(got, "## tool thing add\n\n")
	want = "Add a thing.\n\n```text\ntool thing add a\ntool thing add b\n```\n\nUsage: `tool thing add NAME [flags]`\n\nIt has a &lt;name>.\n\n" +
		"The names are\n\n```text\n  a  first\n  b  second\n```\n\nFlags:\n\n```text\n      --size BYTES   size in BYTES (default 1)\n```\n\n"
	if section != want {
		t.Errorf("the section is\n%s\nwant\n%s", section, want)
	}
	if strings.Contains(got, "tool thing old") {
		t.Error("the reference has a hidden command")
	}
}

func TestManPages(t *testing.T) {
	pages, err := ManPages(newCommands(), Release{Source: "tool 1.2", Date: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Every: ".SH EVERY\n", Root: ".SH ROOT\n"})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i, page := range pages {
		paths = append(paths, page.Path)
		text := string(page.Content)
		for part, want := range map[string]bool{`"Feb 2026"`: true, `"tool 1.2"`: true, ".SH EVERY\n.SH SEE ALSO": true, ".SH ROOT\n.SH EVERY": i == 0} {
			if strings.Contains(text, part) != want {
				t.Errorf("%s has %q: want %v\n%s", page.Path, part, want, text)
			}
		}
	}
	if want := []string{"share/man/man8/tool.8", "share/man/man8/tool-thing.8", "share/man/man8/tool-thing-add.8"}; !slices.Equal(paths, want) {
		t.Errorf("pages %q, want %q", paths, want)
	}
}

func TestCompletions(t *testing.T) {
	pages, err := Completions(newCommands())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"share/bash-completion/completions/tool":    "# bash completion V2 for tool",
		"share/zsh/site-functions/_tool":            "#compdef tool",
		"share/fish/vendor_completions.d/tool.fish": "# fish completion for tool",
	}
	for _, page := range pages {
		if begins := want[page.Path]; begins == "" || !strings.HasPrefix(string(page.Content), begins) {
			t.Errorf("%s begins with %.40q", page.Path, page.Content)
		}
	}
	if len(pages) != len(want) {
		t.Errorf("%d scripts", len(pages))
	}
}

// withMore are the commands of newCommands, and some of each other kind.
func withMore() *cobra.Command {
	run := func(*cobra.Command, []string) {}
	root := newCommands()
	root.Version = "1.2"
	completion := &cobra.Command{Use: "completion", Short: "Print scripts"}
	completion.AddCommand(&cobra.Command{Use: "bash", Short: "Print one for bash", Run: run})
	both := &cobra.Command{Use: "both NAME", Short: "Do both", Long: "Do both, *always*.\n\n  a table", GroupID: "things", Run: run}
	both.AddCommand(&cobra.Command{Use: "half", Short: "Do half of it", Run: run})
	root.AddCommand(completion, both, &cobra.Command{Use: "codes", Short: "List codes", Long: "Codes:\n\n  0  fine"})
	root.InitDefaultHelpCmd()
	return root
}

// TestHelpOfMore checks the help of topics, of commands that have others below them and take
// arguments as well, and of the program itself.
func TestHelpOfMore(t *testing.T) {
	root := withMore()
	if got := Help(find(t, root, "codes")); got != "Codes:\n\n  0  fine\n" {
		t.Errorf("the help of a topic is %q", got)
	}
	help := Help(find(t, root, "both"))
	for _, part := range []string{"tool both: Do both\n\nUsage:\n  tool both NAME [flags]\n\nDo both, *always*.\n", "\n\nCommands:\n  half        Do half of it\n\n", "\nHelp of a command: `tool both COMMAND --help`\n"} {
		if !strings.Contains(help, part) {
			t.Errorf("%q is missing in\n%s", part, help)
		}
	}
	help = Help(root)
	for part, want := range map[string]bool{
		"\n\nThings:\n  both        Do both\n  thing       Change things\n\n": true,
		"\n\nCommands:\n  completion  Print scripts\n  help        ":          true,
		"List codes":                           false, // a topic is no command
		"  -v, --version   version for tool\n": true,
	} {
		if strings.Contains(help, part) != want {
			t.Errorf("%q is there: want %v\n%s", part, want, help)
		}
	}
	if help := Help(find(t, root, "thing")); strings.Contains(help, "old") || strings.Contains(help, "--version") {
		t.Errorf("the help has a hidden command, or a version:\n%s", help)
	}
}

// TestPagesOfMore checks which commands the man pages and the reference have.
func TestPagesOfMore(t *testing.T) {
	pages, err := ManPages(withMore(), Release{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, page := range pages {
		names = append(names, strings.TrimPrefix(page.Path, "share/man/man8/"))
		if title := `.TH "` + strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(page.Path, "share/man/man8/"), ".8")) + `" "8"`; !strings.Contains(string(page.Content), title) {
			t.Errorf("%s has no title %s\n%s", page.Path, title, page.Content)
		}
	}
	if want := "tool.8 tool-both.8 tool-both-half.8 tool-completion.8 tool-thing.8 tool-thing-add.8"; strings.Join(names, " ") != want {
		t.Errorf("pages %s, want %s", names, want)
	}
	text := Reference(withMore(), "")
	for part, want := range map[string]bool{
		"| [`tool both`](#tool-both) | Do both |\n| [`tool both half`](#tool-both-half) | Do half of it |\n":         true,
		"## tool both\n\nDo both.\n\nUsage: `tool both NAME`\n\nDo both, \\*always\\*.\n\n```text\n  a table\n```\n": true,
		"## tool completion bash\n": true,
		"## tool codes":             false,
		"`tool thing`":              false, // it only has others below it
		"```text\n      --loud   say more\n```\n\n**Things**": true,
	} {
		if strings.Contains(text, part) != want {
			t.Errorf("%q is there: want %v\n%s", part, want, text)
		}
	}
	if before, section, _ := strings.Cut(text, "## tool\n"); strings.Contains(section, "--loud") || !strings.Contains(before, "--loud") {
		t.Error("the flags of all commands are told again, or not at all")
	}
}

// TestCompletionsDescribe checks that the scripts show what each word means.
func TestCompletionsDescribe(t *testing.T) {
	pages, err := Completions(newCommands())
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if strings.Contains(string(page.Content), "__completeNoDesc") {
			t.Errorf("%s leaves descriptions out", page.Path)
		}
	}
}
