package cli

import (
	"os"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
)

// Values of --color.
const (
	colorAuto   = "auto" // on a terminal
	colorAlways = "always"
	colorNever  = "never"
)

var colorModes = []string{colorAuto, colorAlways, colorNever}

// colorFlag adds --color to the root command.
func colorFlag(root *cobra.Command) {
	root.PersistentFlags().Var(command.NewOneOf(colorAuto, colorModes, "WHEN"), "color", "color of results: auto, always or never; auto: on a terminal, unless $NO_COLOR is set or $TERM is dumb")
	_ = root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions(colorModes, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if s, ok := cmd.OutOrStdout().(*output.Screen); ok {
			s.Colored = wantsColor(cmd.Flag("color").Value.String(), s.W)
		}
	}
}

// wantsColor decides whether an output is coloured, see no-color.org.
func wantsColor(mode string, out any) bool {
	switch mode {
	case colorAlways:
		return true
	case colorNever:
		return false
	}
	return output.IsTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
