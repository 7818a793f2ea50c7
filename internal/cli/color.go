package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"mdserver/internal/visible"
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
	root.PersistentFlags().Var(&oneOf{colorAuto, colorModes, "WHEN"}, "color", "color of results: auto, always or never; auto: on a terminal, unless $NO_COLOR is set or $TERM is dumb")
	_ = root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions(colorModes, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if s, ok := cmd.OutOrStdout().(*screen); ok {
			s.colored = wantsColor(cmd.Flag("color").Value.String(), s.W)
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
	return isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Colors of ECMA-48's SGR.
const (
	sgrGreen  = "\x1b[32m"
	sgrYellow = "\x1b[33m"
	sgrRed    = "\x1b[31m"
	sgrReset  = "\x1b[0m"
)

// colorOf is the color of a state.
func colorOf(state string) string {
	switch state {
	case "ok":
		return sgrGreen
	case "warning":
		return sgrYellow
	case "wrong", "error":
		return sgrRed
	}
	return ""
}

// colored is a text in the color of a state.
type colored struct{ text, color string }

// colorState is the word for a state in its color.
func colorState[S ~string](state S) colored { return colored{string(state), colorOf(string(state))} }

// Format implements fmt.Formatter.
func (c colored) Format(f fmt.State, verb rune) {
	text := fmt.Sprintf(fmt.FormatString(f, verb), visible.Limit(c.text, maxText))
	if c.color != "" {
		text = c.color + text + sgrReset
	}
	_, _ = f.Write([]byte(text)) // into the text that is formatted
}
