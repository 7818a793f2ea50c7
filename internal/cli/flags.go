package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// oneOf is a flag whose value is one of those accepted. It implements pflag.Value.
type oneOf struct {
	value    string
	accepted []string
	unit     string
}

func (c *oneOf) String() string { return c.value }

// Type names the value in the usage of the flag.
func (c *oneOf) Type() string { return c.unit }

// choiceFlag adds a flag whose value is one of several words; the first is the default.
func choiceFlag(cmd *cobra.Command, name, usage string, accepted ...string) *oneOf {
	f := &oneOf{accepted[0], accepted, "WORD"}
	cmd.Flags().Var(f, name, usage+": "+strings.Join(accepted, " or "))
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(accepted, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return f
}

// Set takes an accepted value.
func (c *oneOf) Set(text string) error {
	if !slices.Contains(c.accepted, text) {
		return fmt.Errorf("accepted: %s", strings.Join(c.accepted, ", "))
	}
	c.value = text
	return nil
}

// someOf is a flag whose values, separated by commas, are of those accepted. It
// implements pflag.Value.
type someOf struct {
	values   []string
	accepted []string
	unit     string
}

func (c *someOf) String() string { return strings.Join(c.values, ",") }

// Type names the value in the usage of the flag.
func (c *someOf) Type() string { return c.unit }

// Set adds values.
func (c *someOf) Set(text string) error {
	for value := range strings.SplitSeq(text, ",") {
		if !slices.Contains(c.accepted, value) {
			return fmt.Errorf("%q is unknown; accepted: %s", value, strings.Join(c.accepted, ", "))
		}
		c.values = append(c.values, value)
	}
	return nil
}
