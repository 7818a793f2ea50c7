package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mdserver/internal/cli/manual"
)

// verbs are the words that summaries of commands begin with.
var verbs = strings.Fields(`Add Back Check Compare Connect Debug Diagnose Explain Export Forget Give Import Install List Make Move Print Register
	Reload Remove Render Replace Run Save Serve Show Start Take Verify Wait Write`)

// everyCommand runs a test for each command that helps people.
func everyCommand(t *testing.T, test func(t *testing.T, cmd *cobra.Command)) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !cmd.IsAdditionalHelpTopicCommand() {
			t.Run(cmd.CommandPath(), func(t *testing.T) { test(t, cmd) })
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(newRoot())
}

// The help of each command begins with what the command does, and with examples.
func TestHelp(t *testing.T) {
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		first, _, _ := strings.Cut(strings.ReplaceAll(cmd.Short, ",", ""), " ")
		if !slices.Contains(verbs, first) || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("the summary %q is not in the imperative, or ends with a period", cmd.Short)
		}
		help := manual.Help(cmd)
		if !strings.HasPrefix(help, cmd.CommandPath()+": "+cmd.Short+"\n\nExamples:\n  ") {
			t.Errorf("the help does not begin with a summary and examples:\n%s", help)
		}
		if !strings.Contains(help, "mdserver help exit-codes") {
			t.Errorf("the help names no exit codes:\n%s", help)
		}
		for line := range strings.Lines(help) {
			if len(strings.TrimSpace(line)) > 0 && strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") {
				t.Errorf("the line %q ends with spaces", line)
			}
		}
	})
}

// Each example is a command line that the program accepts.
func TestExamples(t *testing.T) {
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		shown := false
		for line := range strings.Lines(cmd.Example) {
			words := exampleWords(line)
			if words == nil {
				continue
			}
			root := newRoot()
			found, rest, err := root.Find(words)
			if err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil && err != pflag.ErrHelp {
				t.Errorf("%q: %v", line, err)
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil && !found.DisableFlagParsing {
				t.Errorf("%q: %v", line, err)
			}
			shown = shown || strings.HasPrefix(found.CommandPath(), cmd.CommandPath())
		}
		if !shown {
			t.Errorf("no example shows %s:\n%s", cmd.CommandPath(), cmd.Example)
		}
	})
}

// exampleWords are the arguments of mdserver in a line of shell, or nil if the line
// does not run it.
func exampleWords(line string) []string {
	_, call, found := strings.Cut(strings.NewReplacer("(", " ", "./mdserver", "mdserver").Replace(" "+line), " mdserver ")
	if !found {
		return nil
	}
	if end := strings.IndexAny(call, "|><&;)\n"); end >= 0 {
		call = call[:end]
	}
	var words []string
	for i, part := range strings.Split(call, `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// freeText are flags whose values the program cannot list.
var freeText = []string{"install --user", "launcher --client", "ca --hosts", "rotate --hosts"}

// The shell completes the value of each flag: a word of a list, or a file.
func TestFlagsComplete(t *testing.T) {
	files := []string{"FILE", "DIR", "SOCKET", "PREFIX"}
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			unit, _ := pflag.UnquoteUsage(f)
			_, completes := cmd.GetFlagCompletionFunc(f.Name)
			if f.NoOptDefVal == "" && !completes && !slices.Contains(files, unit) && !slices.Contains(freeText, cmd.Name()+" --"+f.Name) {
				t.Errorf("--%s %s completes nothing", f.Name, unit)
			}
		})
	})
}

// Commands without arguments offer no files to the shell.
func TestArgumentsComplete(t *testing.T) {
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if !strings.Contains(cmd.Use, " ") && cmd.ValidArgsFunction == nil {
			t.Error("the shell offers files")
		}
		if strings.Contains(cmd.Use, "NAME") && cmd.ValidArgsFunction == nil {
			t.Error("the shell offers files in place of names")
		}
	})
}
