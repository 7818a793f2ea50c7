package cli

import (
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
)

// exactly accepts n arguments.
func exactly(n int) cobra.PositionalArgs { return between(n, n, count(n)) }

// atLeast accepts n arguments or more.
func atLeast(n int) cobra.PositionalArgs { return between(n, math.MaxInt, "at least "+count(n)) }

// atMost accepts n arguments or fewer.
func atMost(n int) cobra.PositionalArgs { return between(0, n, "at most "+count(n)) }

// between accepts a number of arguments. Any other is a usage error that says how
// the command is called.
func between(least, most int, expected string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		switch {
		case least <= len(list) && len(list) <= most:
			return nil
		case cmd.HasAvailableSubCommands() && len(list) > 0:
			return exit.With(exit.Usage, unknownCommand(cmd, list[0]))
		}
		return exit.With(exit.Usage, fmt.Errorf("expected %s, got %d; usage: %s; see `%s --help`", expected, len(list), cmd.UseLine(), cmd.CommandPath()))
	}
}

// count is a number of arguments in words.
func count(n int) string {
	switch n {
	case 0:
		return "no arguments"
	case 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}
