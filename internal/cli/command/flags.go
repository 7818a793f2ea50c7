package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// OneOf is a flag whose value is one of those accepted. It implements pflag.Value.
type OneOf struct {
	Value    string
	Accepted []string
	unit     string
}

// NewOneOf is a flag with a value, which may be empty, and the words that are
// accepted. The unit names the value in the usage of the flag.
func NewOneOf(value string, accepted []string, unit string) *OneOf {
	return &OneOf{value, accepted, unit}
}

func (c *OneOf) String() string { return c.Value }

// Type names the value in the usage of the flag.
func (c *OneOf) Type() string { return c.unit }

// ChoiceFlag adds a flag whose value is one of several words; the first is the default.
func ChoiceFlag(cmd *cobra.Command, name, usage string, accepted ...string) *OneOf {
	f := NewOneOf(accepted[0], accepted, "WORD")
	cmd.Flags().Var(f, name, usage+": "+strings.Join(accepted, " or "))
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(accepted, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return f
}

// Set takes an accepted value.
func (c *OneOf) Set(text string) error {
	if !slices.Contains(c.Accepted, text) {
		return fmt.Errorf("accepted: %s", strings.Join(c.Accepted, ", "))
	}
	c.Value = text
	return nil
}

// CompleteWords has the shell offer words for a flag.
func CompleteWords(cmd *cobra.Command, flag string, words ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}
