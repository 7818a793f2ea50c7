package command

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/nearest"
)

// Exactly accepts n arguments.
func Exactly(n int) cobra.PositionalArgs { return between(n, n, count(n)) }

// AtLeast accepts n arguments or more.
func AtLeast(n int) cobra.PositionalArgs { return between(n, math.MaxInt, "at least "+count(n)) }

// AtMost accepts n arguments or fewer.
func AtMost(n int) cobra.PositionalArgs { return between(0, n, "at most "+count(n)) }

// between accepts a number of arguments. Any other is a usage error that says how
// the command is called.
func between(least, most int, expected string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		switch {
		case least <= len(list) && len(list) <= most:
			return nil
		case cmd.HasAvailableSubCommands() && len(list) > 0:
			return exit.With(exit.Usage, Unknown(cmd, list[0]))
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

// IsFile reports whether there is a file that is no directory.
func IsFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// Unknown is the error of a name that is no command below cmd.
func Unknown(cmd *cobra.Command, name string) error {
	if strings.ContainsRune(name, '/') || strings.HasSuffix(name, ".conf") {
		switch info, err := os.Stat(name); {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("there is no configuration file %s", name)
		case err == nil && info.IsDir():
			return fmt.Errorf("%s is a directory, not a configuration file", name)
		}
	}
	if cmd.HasParent() {
		return fmt.Errorf("%q is not a command of `%s`%s; see `%s --help`", name, cmd.CommandPath(), didYouMean(cmd, name), cmd.CommandPath())
	}
	return fmt.Errorf("%q is neither a command nor a configuration file%s; `mdserver help` lists the commands", name, didYouMean(cmd, name))
}

func didYouMean(cmd *cobra.Command, name string) string {
	const typingErrors = 2
	cmd.SuggestionsMinimumDistance = typingErrors
	near := cmd.SuggestionsFor(name)
	if len(near) == 0 {
		return ""
	}
	return Suggest(slices.MinFunc(near, func(a, b string) int {
		return cmp.Compare(nearest.Distance(name, a), nearest.Distance(name, b))
	}))
}

// Suggest completes an error with what was probably meant, unless that is empty.
func Suggest(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}
